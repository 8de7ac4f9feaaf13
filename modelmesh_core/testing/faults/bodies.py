"""Faults in the body, and in the headers, of a 200."""

from __future__ import annotations

from typing import Any

import orjson

from .answering import Answering
from .dialect import error_body
from .fault import WHOLE, fault
from .wire import chunk, head

PAGE = b"<!doctype html><html><body>Welcome to the network. Please log in.</body></html>"
GIANT = 64 * 1024 * 1024
"""Bytes after which a body without an end ends after all."""
GIANT_HEAD = 8 * 1024 * 1024
BLOCK = b"all work and no play " * 3000
NO_GZIP = b"\x1f\x8b\x08\x00 this was never compressed"


@fault("not-json", "answers with a page instead of JSON", "body", applies_to=WHOLE)
async def not_json(answering: Answering) -> None:
    await answering.send_whole(PAGE, status=200, content_type="text/html")


@fault("half-json", "answers with half of its JSON", "body", applies_to=WHOLE)
async def half_json(answering: Answering) -> None:
    await answering.send_whole(_half(answering))


@fault("empty-body", "answers with an empty body", "body", applies_to=WHOLE)
async def empty_body(answering: Answering) -> None:
    await answering.send_whole(b"")


@fault("null-body", "answers with null", "body", applies_to=WHOLE)
async def null_body(answering: Answering) -> None:
    await answering.send_whole(b"null")


@fault("error-in-200", "answers with an error under a 200", "body")
async def error_in_200(answering: Answering) -> None:
    await answering.send_whole(error_body("The server had an error.", "server_error"), status=200)


@fault("no-choices", "answers well, without any content", "body", applies_to=WHOLE)
async def no_choices(answering: Answering) -> None:
    body: dict[str, Any] = orjson.loads(answering.healthy.body)
    await answering.send_whole(orjson.dumps(body | {key: [] for key in ("choices", "data") if key in body}))


@fault("short-body", "closes the connection before the declared length", "body", applies_to=WHOLE)
async def short_body(answering: Answering) -> None:
    await answering.send(_declaring(answering) + _half(answering), is_piece=True)
    answering.close()


@fault("long-body", "sends more than the declared length", "body", "same", applies_to=WHOLE)
async def long_body(answering: Answering) -> None:
    await answering.send(_declaring(answering) + answering.healthy.body + b"\r\n<!-- cached -->", is_piece=True)


@fault("bad-chunk-size", "declares a chunk with a size that is no number", "body", applies_to=WHOLE)
async def bad_chunk_size(answering: Answering) -> None:
    await answering.send(_chunked() + b"zz\r\n" + answering.healthy.body + b"\r\n0\r\n\r\n", is_piece=True)
    answering.close()


@fault("truncated-chunk", "closes the connection inside a chunk", "body", applies_to=WHOLE)
async def truncated_chunk(answering: Answering) -> None:
    size = b"%x\r\n" % len(answering.healthy.body)
    await answering.send(_chunked() + size + _half(answering), is_piece=True)
    answering.close()


@fault("invalid-utf8", "answers with bytes that are no text", "body", applies_to=WHOLE)
async def invalid_utf8(answering: Answering) -> None:
    body = answering.healthy.body
    place = b'"content":"' if b'"content":"' in body else b'":"'
    await answering.send_whole(body.replace(place, place + b"\xff\xc3(", 1))


@fault("bad-gzip", "calls its answer compressed, and it is not", "body")
async def bad_gzip(answering: Answering) -> None:
    content_type = "text/event-stream" if answering.streams else "application/json"
    await answering.send_whole(NO_GZIP, headers={"content-encoding": "gzip"}, content_type=content_type)


@fault("wrong-content-type", "answers well, and calls it a page", "body", "same", applies_to=WHOLE)
async def wrong_content_type(answering: Answering) -> None:
    await answering.send_whole(content_type="text/html")


@fault("giant-body", "answers without end", "body", applies_to=WHOLE)
async def giant_body(answering: Answering) -> None:
    await answering.send(_chunked() + chunk(b'{"id":"chatcmpl-1","object":"chat.completion","choices":[{"text":"'))
    for _ in range(GIANT // len(BLOCK)):
        await answering.send(chunk(BLOCK), is_piece=True)
    answering.close()


@fault("endless-header", "sends headers without end", "body")
async def endless_header(answering: Answering) -> None:
    await answering.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    lines = b"".join(b"x-trace-%d: %b\r\n" % (number, b"0" * 100) for number in range(100))
    for _ in range(GIANT_HEAD // len(lines)):
        await answering.send(lines, is_piece=True)
    answering.close()


BODY = (
    not_json,
    half_json,
    empty_body,
    null_body,
    error_in_200,
    no_choices,
    short_body,
    long_body,
    bad_chunk_size,
    truncated_chunk,
    invalid_utf8,
    bad_gzip,
    wrong_content_type,
    giant_body,
    endless_header,
)


def _half(answering: Answering) -> bytes:
    return answering.healthy.body[: len(answering.healthy.body) // 2]


def _declaring(answering: Answering) -> bytes:
    """A head that declares the length of the right body."""
    length = str(len(answering.healthy.body))
    return head(answering.healthy.status, {"content-type": "application/json", "content-length": length})


def _chunked() -> bytes:
    return head(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
