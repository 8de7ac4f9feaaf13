"""Faults of streams: at the start, in the middle, and at the end."""

from __future__ import annotations

import asyncio

from .answering import Answering
from .bodies import BLOCK, GIANT, PAGE
from .dialect import error_body
from .fault import STREAM, fault
from .wire import DONE, chunk, event

ERROR = error_body("The server had an error while it answered.", "server_error")
GARBAGE = b'{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"cont#\x00'
LOST_PIECES = 3
BEFORE_RESET = 0.1
"""Seconds to read what was sent: a reset can destroy what the client has not read yet."""


@fault("stream-empty", "ends a stream before its first event", "stream-start", applies_to=STREAM)
async def empty(answering: Answering) -> None:
    await answering.begin_stream()
    await answering.end_stream()


@fault("stream-role-only", "opens a stream and ends it without a word", "stream-start", applies_to=STREAM)
async def role_only(answering: Answering) -> None:
    await answering.begin_stream()
    await answering.send_event(answering.stream.opening)
    await answering.end_stream()


@fault("stream-done-only", "says [DONE] and nothing else", "stream-start", applies_to=STREAM)
async def done_only(answering: Answering) -> None:
    await answering.begin_stream()
    await answering.end_stream(done=True)


@fault("stream-error-first", "starts a stream with an error", "stream-start", applies_to=STREAM)
async def error_first(answering: Answering) -> None:
    await answering.begin_stream()
    await answering.send_event(ERROR)
    await answering.end_stream()


@fault("stream-html", "answers with a page instead of a stream", "stream-start", applies_to=STREAM)
async def html(answering: Answering) -> None:
    await answering.send_whole(PAGE, content_type="text/html")


@fault(
    "stream-reset-first",
    "resets the connection after the head of a stream",
    "stream-start",
    applies_to=STREAM,
    seconds=BEFORE_RESET,
)
async def reset_first(answering: Answering) -> None:
    await answering.begin_stream()
    await _reset(answering)


@fault("stream-cut", "closes the connection in the middle", "stream-middle", applies_to=STREAM)
async def cut(answering: Answering) -> None:
    await answering.begin_answer()
    answering.close()


@fault("stream-end-early", "ends in good order, in the middle", "stream-middle", applies_to=STREAM)
async def end_early(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.end_stream()


@fault("stream-reset", "resets the connection in the middle", "stream-middle", applies_to=STREAM, seconds=BEFORE_RESET)
async def reset(answering: Answering) -> None:
    await answering.begin_answer()
    await _reset(answering)


@fault("stream-stall", "falls silent in the middle", "stream-middle", applies_to=STREAM)
async def stall(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.silence()


@fault("stream-error-event", "says an error in the middle", "stream-middle", applies_to=STREAM)
async def error_event(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.send_event(ERROR)
    await answering.end_stream()


@fault("stream-error-named", "says an event named error in the middle", "stream-middle", applies_to=STREAM)
async def error_named(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.send_event(ERROR, "error")
    await answering.end_stream()


@fault("stream-truncated-json", "ends its body inside an event", "stream-middle", applies_to=STREAM)
async def truncated_json(answering: Answering) -> None:
    await answering.begin_answer()
    whole = event(answering.stream.finish)
    await answering.send(chunk(whole[: len(whole) // 2]))
    await answering.end_stream()


@fault("stream-malformed-event", "says garbage between two good events", "stream-middle", "same", applies_to=STREAM)
async def malformed_event(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.send_event(GARBAGE)
    await _go_on(answering, answering.break_at)


@fault("stream-many-malformed", "says garbage in place of some words", "stream-middle", applies_to=STREAM)
async def many_malformed(answering: Answering) -> None:
    await answering.begin_answer()
    for _ in range(LOST_PIECES):
        await answering.send_event(GARBAGE)
    await _go_on(answering, answering.break_at + LOST_PIECES)


@fault("stream-bad-chunk", "breaks the framing of its body in the middle", "stream-middle", applies_to=STREAM)
async def bad_chunk(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.send(b"zz\r\n" + event(answering.stream.finish) + b"\r\n")
    answering.close()


@fault("stream-done-early", "says [DONE] in the middle", "stream-middle", applies_to=STREAM)
async def done_early(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.end_stream(done=True)


@fault("stream-tool-cut", "closes the connection inside a tool call", "stream-middle", applies_to=STREAM)
async def tool_cut(answering: Answering) -> None:
    await answering.begin_answer()
    # The first piece of a tool call is its name: the cut is in the arguments wherever it is asked for.
    await answering.send_pieces(answering.break_at, 2)
    answering.close()


@fault("stream-giant-event", "says one event without end", "stream-middle", applies_to=STREAM)
async def giant_event(answering: Answering) -> None:
    await answering.begin_answer()
    await answering.send(chunk(b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"'), is_piece=True)
    for _ in range(GIANT // len(BLOCK)):
        await answering.send(chunk(BLOCK))
    answering.close()


@fault("stream-no-done", "answers well, without [DONE]", "stream-end", "same", applies_to=STREAM)
async def no_done(answering: Answering) -> None:
    await _all_but_the_end(answering)
    await answering.end_stream()


@fault("stream-finish-then-stall", "answers well, then falls silent", "stream-end", "same", applies_to=STREAM)
async def finish_then_stall(answering: Answering) -> None:
    await _all_but_the_end(answering)
    await answering.silence()


@fault(
    "stream-finish-then-reset",
    "answers well, then resets the connection",
    "stream-end",
    "same",
    applies_to=STREAM,
    seconds=BEFORE_RESET,
)
async def finish_then_reset(answering: Answering) -> None:
    await _all_but_the_end(answering)
    await _reset(answering)


@fault("stream-no-usage", "answers well, without its usage", "stream-end", "same", applies_to=STREAM)
async def no_usage(answering: Answering) -> None:
    await answering.begin_stream()
    await answering.send_event(answering.stream.opening)
    await answering.send_pieces()
    await answering.send_event(answering.stream.finish)
    await answering.end_stream(done=True)


@fault("stream-trailing-junk", "answers well, and goes on after [DONE]", "stream-end", "same", applies_to=STREAM)
async def trailing_junk(answering: Answering) -> None:
    await _all_but_the_end(answering)
    await answering.send_event(DONE)
    await answering.send_event(answering.stream.pieces[0] if answering.stream.pieces else GARBAGE)
    await answering.send_event(GARBAGE)
    await answering.end_stream()


START = (empty, role_only, done_only, error_first, html, reset_first)
MIDDLE = (
    cut,
    end_early,
    reset,
    stall,
    error_event,
    error_named,
    truncated_json,
    malformed_event,
    many_malformed,
    bad_chunk,
    done_early,
    tool_cut,
    giant_event,
)
END = (no_done, finish_then_stall, finish_then_reset, no_usage, trailing_junk)


async def _all_but_the_end(answering: Answering) -> None:
    await answering.begin_stream()
    await answering.send_event(answering.stream.opening)
    await answering.send_pieces()
    await answering.finish_answer()


async def _reset(answering: Answering) -> None:
    await asyncio.sleep(answering.fault.seconds)
    answering.reset()


async def _go_on(answering: Answering, start: int) -> None:
    """The rest of the answer, in good order."""
    await answering.send_pieces(start)
    await answering.finish_answer()
    await answering.end_stream(done=True)
