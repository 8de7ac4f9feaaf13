"""Tool calls whose arguments arrive in pieces, as Vertex AI streams them where it is asked to."""

from __future__ import annotations

import re
from typing import Any

from modelmesh_core import Json, as_object, as_objects, as_text

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,4})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
_VALUES = ("stringValue", "numberValue", "boolValue")
_DEEPEST = 50


class PartialCalls:
    """Puts the pieces of a call together."""

    def __init__(self) -> None:
        self._open: Json | None = None
        self._signature = ""

    def read(self, call: Json, signature: str) -> tuple[Json, str] | None:
        """The whole call and its signature, once its last piece has come; a call that comes whole, as it is."""
        goes_on = call.get("willContinue") is True
        if self._open is None:
            if not goes_on and "partialArgs" not in call:
                return (call, signature) if as_text(call.get("name")) else None
            self._open, self._signature = {"args": {}}, ""
        if as_text(call.get("name")):
            self._open["name"] = call["name"]
        if as_text(call.get("id")):
            self._open["id"] = call["id"]
        self._signature = self._signature or signature
        for piece in as_objects(call.get("partialArgs")):
            _put(self._open["args"], piece)
        self._open["args"].update(as_object(call.get("args")))
        if goes_on:
            return None
        whole, self._open = self._open, None
        return whole, self._signature


def _put(arguments: Json, piece: Json) -> None:
    """Set what ``piece`` has a value for; text grows."""
    steps = _steps(as_text(piece.get("jsonPath")))
    if not 0 < len(steps) <= _DEEPEST:
        return
    value: Any = next((piece[key] for key in _VALUES if key in piece), None)
    target: Any = arguments
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(target, list) != isinstance(step, int):
            return
        if isinstance(step, int):
            target.extend([None] * (step + 1 - len(target)))
            old = target[step]
        else:
            old = target.get(step)
        if following is None:
            target[step] = old + value if isinstance(old, str) and isinstance(value, str) else value
            return
        if not isinstance(old, (dict, list)):
            target[step] = [] if isinstance(following, int) else {}
        target = target[step]


def _steps(path: str) -> list[str | int]:
    """The keys and indexes of a path such as ``$.places[0].name``."""
    found = _STEP.findall(path)
    return [int(index) if index else name or single or double for name, index, single, double in found]
