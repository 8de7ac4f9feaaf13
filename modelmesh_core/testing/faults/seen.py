"""What a FaultyProvider remembers of a request."""

from __future__ import annotations

from typing import Any, Literal

import attrs

Ending = Literal["answered", "broken", "client-closed"]


@attrs.define
class SeenRequest:
    """One request, and how it ended. It changes until ``ended`` is set."""

    number: int
    """From 1, for each provider."""
    at: float
    """When it had arrived whole, in the seconds of ``time.monotonic``, as all times here."""
    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name; keys are replaced."""
    body: dict[str, Any] | None
    """None where it is no JSON object."""
    model: str | None
    stream: bool
    fault: str | None = None
    """The name of the fault in force; None: healthy, or the fault does not apply to this request."""
    ended: Ending | None = None
    """``answered``: all was sent that was going to be, and the connection kept, whatever the status.
    ``broken``: the provider ended the connection first, or the limit of time passed."""
    ended_at: float | None = None
    client_closed_at: float | None = None
    """When the client closed its socket, if that was while the answer was still under way."""
    pieces_sent: int = 0
    """Stream events, or pieces of the body."""
