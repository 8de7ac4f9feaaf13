"""How a value is refused: what was expected, what was found, and the nearest right name. Secrets are never shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..values import Secret
from .references import Reference, SecretText

Path = tuple[str | int, ...]

_LONGEST_SHOWN = 40
_MOST_COMPARED = 1000
_SECRET_NAME = re.compile(r"(key|token|secret|password|passphrase|credentials?|authorization)$", re.IGNORECASE)


def looks_secret(name: str | int) -> bool:
    """Whether a key of this name is likely to hold a secret."""
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


def shortened(text: str) -> str:
    """``text`` in quotes, cut to what fits a message."""
    if isinstance(text, SecretText) or len(text) <= _LONGEST_SHOWN:
        return repr(text)
    return repr(text[: _LONGEST_SHOWN - 1] + "…")


def shown(value: Any) -> str:
    """What a message calls a value that was found."""
    if isinstance(value, (Secret, SecretText)):
        return "a value that is not shown"
    if isinstance(value, Reference):
        return "a reference"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int):
        return str(value) if value.bit_length() < 128 else "a very large number"
    return str(value) if isinstance(value, float) else f"an object of class {type(value).__name__}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean X?``, or nothing where no known name is near."""
    names = list(known)
    if len(names) > _MOST_COMPARED:  # comparing takes about 10 µs a name
        names = [other for other in names if other[:3] == name[:3]][:_MOST_COMPARED]
    near = difflib.get_close_matches(name[:200], names, n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


def nearest(name: str, known: Sequence[str]) -> str:
    """``did_you_mean``, or else the list of what would be right, where it is short enough to read."""
    return did_you_mean(name, known) or (f" Known here: {', '.join(known)}." if 0 < len(known) <= 20 else "")


def _hidden(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return shown(value)
    return f"a {'text' if isinstance(value, str) else 'number'} that is not shown"


class WrongValueError(ValueError):
    """A value that is not what its key expects."""

    def __init__(self, expected: str, value: Any, hint: str = "", *, hide: bool = False) -> None:
        super().__init__(expected)
        self.expected = expected
        self.value = value
        self.hint = hint
        self.hide = hide

    def describe(self, path: Path) -> str:
        """The message for a value at ``path``."""
        value: Any = self.value
        is_scalar = not isinstance(value, (Mapping, list, tuple)) and value not in (None, "")
        hide = is_scalar and (self.hide or any(looks_secret(name) for name in path[-2:]))
        return f"expected {self.expected}, found {_hidden(value) if hide else shown(value)}.{self.hint}"


class UnknownKeyError(ValueError):
    """A key that its section does not know."""

    is_about_key = True

    def __init__(self, key: str, known: Sequence[str], hint: str = "") -> None:
        super().__init__(key)
        self.key = key
        self.known = known
        self.hint = hint

    def describe(self, path: Path) -> str:
        return f"unknown key {shortened(self.key)}.{self.hint or nearest(self.key, self.known)}"


class MissingKeyError(ValueError):
    """A key that its section cannot do without."""

    is_about_key = True

    def describe(self, path: Path) -> str:
        return f"the key {self.args[0]} is missing."


class RefusedOptionsError(ValueError):
    """A connector's options class did not take values that have the right types."""

    is_about_key = True

    def __init__(self, cause: Exception, values: Mapping[str, Any]) -> None:
        # attrs' own validators put the class and the value behind the message, and the value into it as well
        text = cause.args[0] if cause.args and isinstance(cause.args[0], str) else type(cause).__name__
        for name, value in values.items():
            if isinstance(value, str) and value and (isinstance(value, SecretText) or looks_secret(name)):
                text = text.replace(value, "***")
        super().__init__(text[:300])

    def describe(self, path: Path) -> str:
        return f"the connector refuses these options: {self.args[0].rstrip('.')}."


class MistakesError(ValueError):
    """Everything that is wrong in one container, and what could be made of the rest."""

    def __init__(self, found: Sequence[tuple[Path, Exception]], partial: Any) -> None:
        super().__init__(f"{len(found)} mistakes")
        self.found = list(found)
        self.partial = partial


def describe(error: Exception, path: Path) -> str:
    """The message for any error that a hook raised."""
    if isinstance(error, (WrongValueError, UnknownKeyError, MissingKeyError, RefusedOptionsError)):
        return error.describe(path)
    if any(looks_secret(name) for name in path[-2:]):
        return "this value cannot be used; it is not shown."
    text = error.args[0] if error.args and isinstance(error.args[0], str) else type(error).__name__
    return f"{text[:300].rstrip('.')}."
