"""``${secrets:NAME}`` and ``${env:NAME}``: values that stand elsewhere and are filled in when the mesh starts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

import attrs

from ..errors import Problem
from ..values import Secret

KINDS = ("secrets", "env")
_TOKEN = re.compile(r"(?P<escape>\$\$\{)|\$\{(?:(?P<body>[^{}]*)\})?")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_NAME = re.compile(r"[^\s:](?:.*[^\s])?")


@attrs.frozen
class Reference:
    """A text that holds references, in the place of the value it will have."""

    text: str = attrs.field(repr=False)
    """As written. What stands beside the references may be a secret too, so it is not shown."""
    names: tuple[tuple[str, str], ...]
    """Each reference in it: its kind and its name."""


UNKNOWN = Reference("", ())
"""In the place of a value that was refused, so that the checks that follow leave it alone."""


@attrs.frozen
class SecretReference:
    """One use of a reference in a configuration."""

    name: str
    kind: str
    """``secrets`` (the configured stores) or ``env`` (the environment)."""
    path: tuple[str | int, ...]
    file: str | None = None
    line: int | None = None
    column: int | None = None

    @property
    def key(self) -> str:
        """``kind:name``: what ``MeshConfig.resolve`` looks it up by."""
        return f"{self.kind}:{self.name}"

    def problem(self, message: str) -> Problem:
        """A Problem at the place of this reference."""
        return Problem(message, self.path, self.file, self.line, self.column)


class SecretText(str):
    """A text that came out of a reference: it is used like any text, and its repr does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def read_text(text: str) -> str | Reference:
    """``text`` itself, or a Reference if it holds any. ``$${`` stands for a plain ``${``.

    Raises ValueError for a reference that cannot be read.
    """
    if "${" not in text:
        return text
    names: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(text):
        if match["escape"]:
            continue
        body = match["body"]
        if body is None:
            raise ValueError("a reference begins with ${ and is not closed; $${ writes a plain ${.")
        names.append(_read_body(body))
    return Reference(text, tuple(names)) if names else text.replace("$${", "${")


def _read_body(body: str) -> tuple[str, str]:
    kind, separator, name = body.partition(":")
    if not separator:
        kind, name = "", kind
    if kind in KINDS and _NAME.fullmatch(name):
        return kind, name
    if not _NAME.fullmatch(name):
        raise ValueError("a reference without a name; expected ${secrets:NAME} or ${env:NAME}.")
    near = (difflib.get_close_matches(kind, KINDS, n=1) or ["secrets"])[0] if kind else "env"
    # Only what can be a variable's name is repeated: what stands here may be a secret put in the wrong place.
    guess = f" Did you mean ${{{near}:{name}}}?" if _PLAIN_NAME.fullmatch(name) else ""
    raise ValueError(f"this is no reference; expected ${{secrets:NAME}} or ${{env:NAME}}.{guess}")


def fill_in(reference: Reference, value_of: Callable[[str, str], Secret | None]) -> Secret | None:
    """The text with its references replaced; None if the whole of it is one reference that has no value.

    A value that is missing beside other text counts as empty.
    """
    if len(reference.names) == 1 and reference.text == f"${{{':'.join(reference.names[0])}}}":
        return value_of(*reference.names[0])
    values = iter([value_of(kind, name) for kind, name in reference.names])

    def replace(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        value = next(values)
        return value.reveal() if value is not None else ""

    return Secret(_TOKEN.sub(replace, reference.text))


def holds_reference(value: Any) -> bool:
    """Whether ``value``, or anything in it, still waits to be filled in."""
    if isinstance(value, dict):
        return any(holds_reference(item) for item in value.values())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return any(holds_reference(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return isinstance(value, Reference)
