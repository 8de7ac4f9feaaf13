"""A connector's flow, driven by hand: no mesh, no socket."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import orjson

from ..wire.http import Headers, HttpRequest, HttpResponse


def play(flow: Generator[HttpRequest, HttpResponse, Any], *responses: HttpResponse) -> tuple[list[HttpRequest], Any]:
    """Send ``flow`` the responses: the requests that it made, and what it returned.

    Raises AssertionError for a flow that wants more responses, and whatever the flow raises.
    """
    requests: list[HttpRequest] = []
    try:
        requests.append(next(flow))
        for response in responses:
            requests.append(flow.send(response))
    except StopIteration as stop:
        return requests, stop.value
    raise AssertionError(f"the flow wants more than {len(responses)} responses: {requests[-1]}")


def response(
    body: Any, status: int = 200, media_type: str = "application/json", now: float = 0.0, **headers: str
) -> HttpResponse:
    """A response with ``body``: bytes as they are, anything else as JSON. ``retry_after="3"`` is a header."""
    named = [("content-type", media_type), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return HttpResponse(status, Headers(named), body if isinstance(body, bytes) else orjson.dumps(body), now)
