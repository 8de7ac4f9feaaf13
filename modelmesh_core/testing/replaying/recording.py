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
    "response": {"status", "headers", "body" | "body_base64"}}``; of these only the response's body is necessary."""

    id: str
    provider: str
    kind: str
    stream: bool
    model: str
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
        return cls(
            str(data.get("id") or ""),
            str(data.get("provider") or ""),
            str(data.get("kind") or ""),
            data.get("stream") is True,
            str(data.get("model") or ""),
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
