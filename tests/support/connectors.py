"""What tests of provider connectors have in common: a flow driven by hand, and the recorded exchanges."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from modelmesh_core import Headers, HttpRequest, HttpResponse
from modelmesh_core.testing import play as play_flow
from modelmesh_core.testing import response
from recorded import RECORDINGS

__all__ = ["Recording", "answer", "play", "recorded_rows", "response"]


@pytest.fixture(scope="session")
def play() -> Callable[..., tuple[list[HttpRequest], Any]]:
    """Drives a flow: sends it the given responses, gives back the requests it made and what it returned."""
    return play_flow


@pytest.fixture(scope="session")
def answer() -> Callable[..., HttpResponse]:
    """Makes a response: body, status, media type, time, headers."""
    return response


def recorded_rows(vendor: str) -> list[dict[str, Any]]:
    """What was recorded with a vendor. Skips the test where there are no recordings, but never in CI."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI"):
            raise AssertionError("the recorded exchanges are not in ../shared/recordings")
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    with (RECORDINGS / f"{vendor}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Recording:
    """One recorded exchange."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.kind: str = row["kind"]
        self.stream: bool = row["stream"]
        request, answered = row["request"] or {}, row["response"]
        self.url: str = request.get("url") or ""
        self.request: Any = _object(request.get("body"))
        """Its JSON; empty where there is none that can be read."""
        self.status: int = answered.get("status") or 200
        self.headers = Headers((name, str(value)) for name, value in (answered.get("headers") or {}).items())
        own, text = answered.get("body_base64"), answered.get("body")
        self.body = base64.b64decode(own) if own else (text if isinstance(text, str) else json.dumps(text)).encode()

    @property
    def response(self) -> HttpResponse:
        return HttpResponse(self.status, self.headers, self.body)


def _object(body: Any) -> Any:
    try:
        return json.loads(body) if isinstance(body, str) else body or {}
    except ValueError:
        return {}
