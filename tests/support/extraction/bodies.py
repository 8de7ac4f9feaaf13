"""A recording's answer by plain means: its status, its bytes, its JSON, its events."""

from __future__ import annotations

import base64
import json
from struct import unpack_from
from typing import Any

import attrs

Json = dict[str, Any]


@attrs.frozen
class Answer:
    """One recorded answer. ``events`` are those of a stream, however they were framed, and empty for whole answers."""

    status: int
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes
    whole: Any
    """The JSON of the whole body; None if it is none."""
    events: list[Json]


def answer_of(row: Json) -> Answer:
    response = row["response"]
    headers = {name.lower(): str(value) for name, value in (response.get("headers") or {}).items()}
    encoded, text = response.get("body_base64"), response.get("body")
    if encoded:
        body = base64.b64decode(encoded)
    else:
        body = (text if isinstance(text, str) else json.dumps(text)).encode("utf-8", "surrogatepass")
    whole = _json(body)
    is_list_of_events = isinstance(whole, list)  # of Gemini, without server-sent events
    events = whole if is_list_of_events else [] if whole is not None else _events(body, headers.get("content-type", ""))
    return Answer(response.get("status") or 200, headers, body, whole, events)


def _events(body: bytes, media_type: str) -> list[Json]:
    if "eventstream" in media_type:
        return event_stream(body)
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    named = [line[5:].strip() for line in lines if line.startswith("data:")]
    found = [_json(line) for line in named or lines if line.strip() and line.strip() != "[DONE]"]
    return [event for event in found if isinstance(event, dict)]


def event_stream(body: bytes) -> list[Json]:
    """The messages of ``application/vnd.amazon.eventstream`` as ``{event or exception type: payload}``."""
    found: list[Json] = []
    place = 0
    while place < len(body):
        total, head = unpack_from(">II", body, place)
        names = _event_headers(body[place + 12 : place + 12 + head])
        payload = body[place + 12 + head : place + total - 4]
        name = names.get(":event-type") or names.get(":exception-type") or ""
        found.append({name: json.loads(payload or b"{}")})
        place += total
    return found


def _event_headers(data: bytes) -> dict[str, str]:
    names: dict[str, str] = {}
    place = 0
    while place < len(data):
        size = data[place]
        name = data[place + 1 : place + 1 + size].decode()
        assert data[place + 1 + size] == 7, "every header of these streams is a text"
        (length,) = unpack_from(">H", data, place + 2 + size)
        start = place + 4 + size
        names[name] = data[start : start + length].decode()
        place = start + length
    return names


def _json(data: bytes | str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
