"""What a fault is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from .answering import Answering

Phase = Literal["connection", "slow", "status", "body", "stream-start", "stream-middle", "stream-end"]
Remedy = Literal["elsewhere", "caller", "same"]
Act = Callable[["Answering"], Awaitable[None]]

BOTH = frozenset({"stream", "whole"})
STREAM = frozenset({"stream"})
WHOLE = frozenset({"whole"})


@attrs.frozen
class Fault:
    """One way in which a provider breaks. Make variants with ``after``, ``lasting`` and ``attrs.evolve``."""

    name: str
    title: str
    """What the provider does, in one line."""
    phase: Phase
    remedy: Remedy
    """What a good caller makes of it: ``elsewhere`` (another model answers whole), ``caller`` (the caller's own fault,
    told at once and nobody else asked), ``same`` (nothing is really wrong: this provider's answer is whole)."""
    act: Act = attrs.field(repr=False)
    """What happens to a request. When it returns, the answer is over and the connection is kept."""
    applies_to: frozenset[str] = BOTH
    """``stream``, ``whole`` or both. Other requests are answered as by a healthy provider."""
    break_after: int = 3
    """Pieces of content before it breaks, at most all but the last; where it breaks in the middle of a stream."""
    seconds: float = 0.0
    """What it waits, or tells the caller to wait, where it does."""
    refuses: bool = False
    """Whether nobody listens while it is the provider's ``fault``."""

    def after(self, pieces: int) -> Fault:
        """The same, breaking after so many pieces of content."""
        return attrs.evolve(self, break_after=pieces)

    def lasting(self, seconds: float) -> Fault:
        """The same, with other ``seconds``."""
        return attrs.evolve(self, seconds=seconds)


def fault(
    name: str,
    title: str,
    phase: Phase,
    remedy: Remedy = "elsewhere",
    *,
    applies_to: frozenset[str] = BOTH,
    seconds: float = 0.0,
    refuses: bool = False,
) -> Callable[[Act], Fault]:
    """Makes the Fault of which the decorated function is the act."""
    return lambda act: Fault(name, title, phase, remedy, act, applies_to, seconds=seconds, refuses=refuses)
