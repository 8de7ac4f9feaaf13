"""Why an answer ended: Google's ``finishReason`` → the agreement's four."""

from __future__ import annotations

import attrs
from modelmesh_core import Json, as_text

_FILTERED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "JAILBREAK",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
_BROKEN = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)
"""The model broke down. Where it said something before, that is an answer that stopped."""
_NUMBERS = {
    1: "STOP",
    2: "MAX_TOKENS",
    3: "SAFETY",
    4: "RECITATION",
    5: "OTHER",
    6: "BLOCKLIST",
    7: "PROHIBITED_CONTENT",
    8: "SPII",
    9: "MALFORMED_FUNCTION_CALL",
    10: "MODEL_ARMOR",
}
"""The reasons where enums come as numbers, as Vertex AI counts them."""


@attrs.frozen
class Ending:
    """How one choice ended: in the agreement's word, and in Google's, where that says more."""

    reason: str | None
    native: str
    message: str = ""

    @property
    def is_failure(self) -> bool:
        return self.native in _BROKEN


def ending_of(candidate: Json) -> Ending | None:
    """The ending that a candidate reports; None while it goes on."""
    given = candidate.get("finishReason")
    word = _NUMBERS.get(given, "OTHER" if given else "") if isinstance(given, int) else as_text(given)
    if not word or word == "FINISH_REASON_UNSPECIFIED":
        return None
    message = as_text(candidate.get("finishMessage"))
    if word == "STOP":
        return Ending("stop", "STOP", message)
    if word == "MAX_TOKENS":
        return Ending("length", word, message)
    return Ending("content_filter" if word in _FILTERED else "stop", word, message)
