"""Where a request stands in a distributed trace: W3C ``traceparent`` in, ids of spans, ``traceparent`` out.

Ids are made from the request's own id and time, so nobody has to carry them: whoever sees the record of a request gives
its spans the ids that were sent to its providers.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import attrs

from .records import DecisionRecord

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


@attrs.frozen
class TraceContext:
    """The trace of one request. Ids are lower-case hexadecimal."""

    trace_id: str
    parent_id: str | None
    """The caller's span; None where the caller named no trace, and this request begins one."""
    is_sampled: bool
    """What the caller decided; true where nobody has."""
    _seed: bytes = attrs.field(repr=False)

    @property
    def request_span(self) -> str:
        """Id of the span of the whole request."""
        return _span(self._seed + b"/request")

    def attempt_span(self, place: int) -> str:
        """Id of the span of the attempt at that place of the record's ``attempts``."""
        return _span(self._seed + b"/%d" % place)

    def traceparent(self, place: int) -> str:
        """The header for the provider that this attempt asks."""
        return f"00-{self.trace_id}-{self.attempt_span(place)}-{'01' if self.is_sampled else '00'}"


def trace_context(request_id: str, started: float, traceparent: str | None = None) -> TraceContext:
    """The trace of a request that began at ``started``. A malformed ``traceparent`` begins a new one."""
    seed = f"{request_id} {started!r}".encode()
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent is not None else None
    if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN:
        return TraceContext(blake2b(seed, digest_size=16).hexdigest(), None, True, seed)
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1), seed)


def trace_headers(record: DecisionRecord, place: int) -> dict[str, str]:
    """What the provider is told that the attempt at that place of ``record.attempts`` asks."""
    context = trace_context(record.request_id, record.started, record.traceparent)
    headers = {"traceparent": context.traceparent(place)}
    if record.tracestate is not None and context.parent_id is not None:
        headers["tracestate"] = record.tracestate
    return headers


def is_traceparent(text: str) -> bool:
    """Whether ``text`` is worth carrying on."""
    return _TRACEPARENT.fullmatch(text) is not None


def is_tracestate(text: str) -> bool:
    """Whether ``text`` is short and plain enough to be carried on."""
    return _TRACESTATE.fullmatch(text) is not None


def _span(seed: bytes) -> str:
    return blake2b(seed, digest_size=8).hexdigest()
