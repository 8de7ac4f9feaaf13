"""The raw form of a configuration: plain values in mappings and lists that know where in which file they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from ..errors import ConfigurationError, Problem
from ..values import Secret
from .mistakes import Path
from .references import UNKNOWN, Reference, SecretReference, fill_in, read_text

MAX_DEPTH = 50
MAX_VALUES = 500_000


class Place(NamedTuple):
    """Where a key and its value stand. Lines and columns are 1-based; for an item of a list both are the item's."""

    file: str
    key_line: int
    key_column: int
    line: int
    column: int


class Section(dict[str, Any]):
    """A mapping. ``places`` has an entry for each key that came from a file."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, Place] = {}


class Items(list[Any]):
    """A list. ``places`` has an entry for each index that came from a file."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[int, Place] = {}


class TooLargeError(Exception):
    """The values nest too deeply, or are too many once aliases are followed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Allowance:
    """Counts the values that are read, so that neither nesting nor aliases make a small file a large one."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def spend(self, depth: int) -> None:
        """Raises TooLargeError when a value at ``depth`` is one too many."""
        self._left -= 1
        if self._left < 0:
            raise TooLargeError(f"more than {MAX_VALUES} values; aliases count each time they are used.")
        if depth > MAX_DEPTH:
            raise TooLargeError(f"nested more than {MAX_DEPTH} deep.")


def read_mapping(data: Mapping[str, Any]) -> tuple[Section, list[Problem]]:
    """The raw form of a Python dict, and what is wrong with its keys and references.

    Raises ConfigurationError if it is no mapping, or too large.
    """
    problems: list[Problem] = []
    allowance = Allowance()

    def read(value: Any, path: Path) -> Any:
        allowance.spend(len(path))
        if isinstance(value, str):
            try:
                return read_text(value)
            except ValueError as error:
                problems.append(Problem(str(error), path))
                return UNKNOWN
        if isinstance(value, Mapping):
            return read_entries(cast(Mapping[Any, Any], value), path)
        if isinstance(value, (list, tuple)):
            items = Items()
            items.extend(read(item, (*path, index)) for index, item in enumerate(cast(Sequence[Any], value)))
            return items
        return value

    def read_entries(entries: Mapping[Any, Any], path: Path) -> Section:
        section = Section()
        for key, item in entries.items():
            if not isinstance(key, str):
                problems.append(Problem(f"expected a text as key, found a {type(key).__name__}.", path))
                continue
            section[key] = read(item, (*path, key))
        return section

    if not isinstance(data, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"expected a mapping at the top of a configuration, found a {type(data).__name__}.")
    try:
        return read_entries(data, ()), problems
    except TooLargeError as error:
        raise ConfigurationError(error.message) from None


def child(node: Any, step: str | int) -> tuple[Any, Place | None]:
    """What stands under a key or an index, and where; None for what is not there."""
    if isinstance(node, Section) and isinstance(step, str):
        return node.get(step), node.places.get(step)
    if isinstance(node, Items) and isinstance(step, int) and step < len(node):
        return node[step], node.places.get(step)
    return None, None


def locate(root: Section, path: Path, *, at_key: bool = False) -> tuple[str | None, int | None, int | None]:
    """File, line and column of the value at ``path`` (of its key, if asked), or of the nearest thing around it."""
    place: Place | None = None
    node: Any = root
    for step in path:
        node, own = child(node, step)
        place = own or place
    if place is None:
        return None, None, None
    return (place.file, place.key_line, place.key_column) if at_key else (place.file, place.line, place.column)


def in_order(root: Section, problems: Iterable[Problem]) -> list[Problem]:
    """``problems`` in the order in which their places stand in the configuration, each once."""
    distinct = list(dict.fromkeys(problems))
    if len({problem.file for problem in distinct}) == 1 and all(problem.line for problem in distinct):
        return sorted(distinct, key=lambda problem: (problem.line or 0, problem.column or 0))
    ranks: dict[int, dict[str | int, int]] = {}

    def rank(problem: Problem) -> tuple[int, ...]:
        node: Any = root
        order: list[int] = []
        for step in problem.path:
            if id(node) not in ranks:
                keys: Iterable[str | int] = node if isinstance(node, Section) else range(len(node or ()))
                ranks[id(node)] = {key: index for index, key in enumerate(keys)}
            if step not in ranks[id(node)]:
                break
            order.append(ranks[id(node)][step])
            node, _ = child(node, step)
            if not isinstance(node, (Section, Items)):
                break
        return tuple(order)

    return sorted(distinct, key=rank)


def merged(base: Section, other: Section) -> Section:
    """``base`` with ``other`` over it: mappings are merged key by key, everything else is replaced."""
    result = Section()
    result.update(base)
    result.places.update(base.places)
    for key, value in other.items():
        own = base.get(key)
        result[key] = merged(own, value) if isinstance(own, Section) and isinstance(value, Section) else value
        if key in other.places:
            result.places[key] = other.places[key]
        else:
            result.places.pop(key, None)
    return result


def without(section: Section, keys: Iterable[str]) -> Section:
    """A copy of ``section`` that lacks ``keys``. Its values are shared."""
    result = Section()
    result.update(section)
    result.places = section.places
    for key in keys:
        result.pop(key, None)
    return result


def references_in(root: Section) -> list[SecretReference]:
    """Every use of a reference, in order."""
    found: list[SecretReference] = []

    def look(node: Any, path: Path) -> None:
        if isinstance(node, Reference):
            place = locate(root, path)
            found.extend(SecretReference(name, kind, path, *place) for kind, name in node.names)
        elif isinstance(node, Section):
            for key, value in node.items():
                look(value, (*path, key))
        elif isinstance(node, Items):
            for index, value in enumerate(node):
                look(value, (*path, index))

    look(root, ())
    return found


def filled(node: Any, value_of: Callable[[str, str], Secret | None], *, keep_missing: bool = False) -> Any:
    """A copy of ``node`` with Secrets in the place of References.

    A reference without a value stays, if asked, and is left out otherwise.
    """
    if isinstance(node, Reference):
        if keep_missing and any(value_of(*name) is None for name in node.names):
            return node
        return fill_in(node, value_of)
    if isinstance(node, Section):
        result = Section()
        result.places = node.places
        for key, value in node.items():
            new = filled(value, value_of, keep_missing=keep_missing)
            if new is not None or not isinstance(value, Reference):
                result[key] = new
        return result
    if isinstance(node, Items):
        values = [(value, filled(value, value_of, keep_missing=keep_missing)) for value in node]
        items = Items()
        items.places = node.places
        items.extend(new for value, new in values if new is not None or not isinstance(value, Reference))
        return items
    return node
