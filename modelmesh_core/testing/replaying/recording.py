"""A recorded exchange: one line of a cassette."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import attrs
import orjson

from ...wire.http import Headers, HttpResponse

Json = dict[str, Any]


@attrs.frozen
class Recording:
    """``{"id", "provider", "kind", "stream", "model", "request": {"method", "url", "headers", "body" | "body_base64"},
    "response": {"status", "headers", "body" | "body_base64"}}``; of these only the response's body is necessary.

    Without a URL it holds bodies only, and what was asked is told from the answer.
    """

    id: str
    provider: str
    kind: str
    stream: bool
    model: str
    method: str
    host: str
    path: str
    """Unquoted, without the query."""
    url: str
    request: bytes
    response: HttpResponse

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Recording:
        """Raises ValueError for a line that holds no response."""
        request, response = _object(data.get("request")), data.get("response")
        if not isinstance(response, dict):
            raise ValueError("the recording has no response")
        url = str(request.get("url") or "")
        parts = urlsplit(url)
        answer = cast(Json, response)
        body = _bytes(answer)
        headers = _headers(answer.get("headers"))
        stream = data.get("stream") is True or (not url and _looks_streamed(body))
        return cls(
            str(data.get("id") or ""),
            str(data.get("provider") or ""),
            str(data.get("kind") or ""),
            stream,
            str(data.get("model") or ""),
            str(request.get("method") or "").upper(),
            parts.hostname or "",
            unquote(parts.path),
            url,
            _bytes(request),
            HttpResponse(int(answer.get("status") or 200), headers, body, received_at=_moment(headers)),
        )

    @property
    def asked(self) -> Json:
        """The request's JSON object; empty if it is none."""
        return _object(_decoded(self.request))

    @property
    def answered(self) -> Json:
        """The response's JSON object; empty if it is none."""
        return _object(_decoded(self.response.body))

    @property
    def first(self) -> Json:
        """The first JSON object of the response: the whole of it, or the first event of a stream."""
        lines = (line.removeprefix(b"data:").strip() for line in self.response.body.splitlines())
        found = filter(None, (_object(_decoded(line)) for line in lines))
        return self.answered or next(found, Json())

    @property
    def versions(self) -> list[Recording]:
        """The recording as it is, and, of a stream's events without their frames, as server-sent events."""
        lines = [line for line in self.response.body.splitlines() if line.strip()]
        if not (self.stream and lines and _object(_decoded(lines[0]))):
            return [self]
        framed = b"".join(_framed(line) for line in lines)
        return [self, attrs.evolve(self, response=attrs.evolve(self.response, body=framed))]


def _framed(event: bytes) -> bytes:
    name = _object(_decoded(event)).get("type")
    head = f"event: {name}\n".encode() if isinstance(name, str) else b""
    return b"%bdata: %b\n\n" % (head, event.strip())


def _looks_streamed(body: bytes) -> bool:
    """Server-sent events, or JSON objects line by line."""
    lines = [line for line in body.splitlines() if line.strip()]
    if lines and lines[0].startswith((b"data:", b"event:")):
        return True
    return len(lines) > 1 and all(_object(_decoded(line)) for line in lines)


def _moment(headers: Headers) -> float:
    """When the response came, by its own date: resets that name a moment are counted from there."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0


def _bytes(part: Json) -> bytes:
    encoded, body = part.get("body_base64"), part.get("body")
    if isinstance(encoded, str):
        return base64.b64decode(encoded)
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return b"" if body is None else orjson.dumps(body)


def _headers(given: Any) -> Headers:
    pairs: list[tuple[str, str]] = []
    for name, value in _object(given).items():
        values = cast(list[Any], value) if isinstance(value, list) else [value]
        pairs.extend((name, str(one)) for one in values)
    # A recorder keeps the body as it was after decompression.
    return Headers((name, value) for name, value in pairs if name.lower() != "content-encoding")


def _object(value: Any) -> Json:
    return cast(Json, value) if isinstance(value, dict) else {}


def _decoded(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return None
