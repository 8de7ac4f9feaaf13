"""Faults before the first byte, and faults of time."""

from __future__ import annotations

import asyncio

from .answering import STREAM_HEAD, Answering
from .fault import STREAM, fault
from .wire import LAST_CHUNK, chunk, event, head, segments

INTERVAL = 0.02
"""Seconds between two things that do not help."""
SEGMENT = 16
"""Bytes of a dripping answer in one piece."""


@fault("connection-refused", "refuses every connection", "connection", refuses=True)
async def refused(answering: Answering) -> None:
    answering.reset()


@fault("connection-reset", "resets the connection before it answers", "connection")
async def reset(answering: Answering) -> None:
    answering.reset()


@fault("connection-closed", "closes the connection instead of answering", "connection")
async def closed(answering: Answering) -> None:
    answering.close()


@fault("stale-keepalive", "closes a kept connection when it is used again", "connection", "same")
async def stale_keepalive(answering: Answering) -> None:
    if answering.first_on_connection:
        await answering.answer()
    else:
        answering.close()


@fault("silent", "takes the request and never says a byte", "slow")
async def silent(answering: Answering) -> None:
    await answering.silence()


@fault("slow-head", "sends its head byte by byte, without end", "slow")
async def slow_head(answering: Answering) -> None:
    for letter in b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-trace: ":
        await _say(answering, bytes([letter]))
    while True:
        await _say(answering, b"0")


@fault("head-then-silent", "sends the head of an answer, then nothing", "slow")
async def head_then_silent(answering: Answering) -> None:
    await answering.send(STREAM_HEAD if answering.streams else _whole_head(answering))
    await answering.silence()


@fault("endless-interim", "sends interim answers (103) for ever", "slow")
async def endless_interim(answering: Answering) -> None:
    while True:
        await _say(answering, b"HTTP/1.1 103 Early Hints\r\nlink: </later>; rel=preload\r\n\r\n")


@fault("comments-only", "keeps a stream alive with comments, and never says more", "slow", applies_to=STREAM)
async def comments_only(answering: Answering) -> None:
    await answering.begin_stream()
    while True:
        await _say(answering, chunk(b": keep-alive\n\n"))


@fault("slow-first-token", "opens a stream, then never says a word", "slow", applies_to=STREAM)
async def slow_first_token(answering: Answering) -> None:
    await answering.begin_stream()
    await answering.send_event(answering.stream.opening)
    await answering.silence()


@fault("stream-drip", "answers in tiny segments, cut inside characters and line ends", "slow", "same", seconds=0.002)
async def drip(answering: Answering) -> None:
    for segment in segments(_whole_answer(answering), SEGMENT):
        await answering.send(segment, is_piece=True)
        await asyncio.sleep(answering.fault.seconds)


@fault("latency-spike", "answers well, but late", "slow", "same", seconds=0.15)
async def latency_spike(answering: Answering) -> None:
    await asyncio.sleep(answering.fault.seconds)
    await answering.answer()


CONNECTION = (refused, reset, closed, stale_keepalive)
SLOW = (
    silent,
    slow_head,
    head_then_silent,
    endless_interim,
    comments_only,
    slow_first_token,
    drip,
    latency_spike,
)


async def _say(answering: Answering, data: bytes) -> None:
    await answering.send(data)
    await asyncio.sleep(INTERVAL)


def _whole_head(answering: Answering) -> bytes:
    length = str(len(answering.healthy.body))
    return head(answering.healthy.status, {"content-type": "application/json", "content-length": length})


def _whole_answer(answering: Answering) -> bytes:
    if not answering.streams:
        return _whole_head(answering) + answering.healthy.body
    stream = answering.stream
    usage = [] if stream.usage is None else [stream.usage]
    events = [stream.opening, *stream.pieces, stream.finish, *usage, b"[DONE]"]
    return STREAM_HEAD + b"".join(chunk(event(data)) for data in events) + LAST_CHUNK
