"""From raw values to the typed sections. cattrs finds the hook for a type; the hooks say everything at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter

from ..wire.http import HttpTimeouts
from .containers import Hook, is_list, is_mapping, list_hook, mapping_hook, section_hook
from .mistakes import MistakesError, Path, RefusedOptionsError, UnknownKeyError, WrongValueError, did_you_mean
from .references import holds_reference
from .scalars import MARKED, SCALARS, tolerant
from .schema import Sections
from .spellings import SPELLINGS, given_hook, timeouts_hook

Found = list[tuple[Path, Exception]]
"""What is wrong, each with the path of its value."""


def structure_sections(raw: Mapping[str, Any]) -> tuple[Sections, Found]:
    """The typed form of ``raw``, and what is wrong with it. UNKNOWN stands for what was refused."""
    try:
        return converter().structure(raw, Sections), []
    except MistakesError as mistakes:
        return cast(Sections, mistakes.partial), mistakes.found


def structure_options(
    options_class: type | None, raw: Mapping[str, Any], own_keys: Sequence[str] = ()
) -> tuple[Any, Found]:
    """An instance of a connector's options class, and what is wrong with ``raw``.

    None if there is no class, or if it cannot be made before its references are filled in. ``own_keys`` are those of
    the section around the options: a misspelt key may have been meant for either.
    """
    if options_class is None:
        return None, [((key,), UnknownKeyError(key, own_keys)) for key in raw]
    try:
        return converter().structure(raw, cast(Any, options_class)), []
    except MistakesError as mistakes:
        is_pending = holds_reference(raw)
        found = [
            (path, error)
            for path, error in mistakes.found
            if not (is_pending and isinstance(error, RefusedOptionsError))
        ]
        for path, error in found:
            if isinstance(error, UnknownKeyError) and len(path) == 1:
                error.known = [*error.known, *own_keys]
        return None, found


@cache
def converter() -> Converter:
    """The converter with our hooks. Built once; of two hooks that fit a type, the later one is taken."""
    made = Converter(structure_fallback_factory=_instance_hook)
    for scalar_type, scalar in SCALARS.items():
        made.register_structure_hook(scalar_type, _base_hook(scalar_type, scalar.read))
    made.register_structure_hook_factory(lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _enum_hook)
    made.register_structure_hook_factory(lambda kind: get_origin(kind) is Literal, _literal_hook)
    made.register_structure_hook_factory(lambda kind: get_origin(kind) in (Union, UnionType), _union_hook)
    made.register_structure_hook_factory(is_list, list_hook)
    made.register_structure_hook_factory(is_mapping, mapping_hook)
    made.register_structure_hook_factory(lambda kind: isinstance(kind, type) and attrs.has(kind), section_hook)
    made.register_structure_hook_factory(lambda kind: kind is HttpTimeouts, timeouts_hook)
    made.register_structure_hook_factory(lambda kind: get_origin(kind) is Annotated, _annotated_hook)
    return made


def _scalar_hook(read: Callable[[Any], Any]) -> Hook:
    read_any = tolerant(read)
    return lambda value, _: read_any(value)


def _base_hook(own: type, read: Callable[[Any], Any]) -> Hook:
    """cattrs takes the hook of ``str`` for a StrEnum as well, and that of ``int`` for an IntEnum."""
    read_any = tolerant(read)

    def structure(value: Any, kind: Any) -> Any:
        if kind is not own and isinstance(kind, type) and issubclass(kind, Enum):
            return _enum_hook(kind)(value, kind)
        return read_any(value)

    return structure


def _literal_hook(kind: Any) -> Hook:
    return _choice_hook({choice: choice for choice in get_args(kind)})


def _enum_hook(kind: type[Enum]) -> Hook:
    return _choice_hook({member.value: member for member in kind})


def _choice_hook(choices: Mapping[Any, Any]) -> Hook:
    names = [str(choice) for choice in choices]

    def read(value: Any) -> Any:
        for choice, meaning in choices.items():
            if value == choice and type(value) is type(choice):
                return meaning
        hint = did_you_mean(value, names) if isinstance(value, str) else ""
        raise WrongValueError(f"one of {', '.join(names)}" if len(names) > 1 else names[0], value, hint)

    return _scalar_hook(read)


def _instance_hook(kind: Any) -> Hook:
    """For types that only a program can give: a callable, an object."""
    origin = get_origin(kind) or kind

    def read(value: Any) -> Any:
        if isinstance(origin, type) and not isinstance(value, origin):
            raise WrongValueError(f"an object of class {origin.__name__}", value)
        return value

    return _scalar_hook(read)


def _union_hook(kind: Any, within: Converter) -> Hook:
    members = [member for member in get_args(kind) if member is not type(None)]
    takes_none = len(members) < len(get_args(kind))

    def structure(value: Any, _: Any) -> Any:
        if value is None and takes_none:
            return None
        errors: list[Exception] = []
        for member in members:
            try:
                return within.get_structure_hook(member)(value, member)
            except Exception as error:
                errors.append(error)
        mistakes = [error for error in errors if isinstance(error, WrongValueError)]
        if len(errors) == 1 or len(mistakes) < len(errors):
            raise errors[-1]
        expected = " or ".join(mistake.expected for mistake in mistakes)
        raise WrongValueError(expected, value, hide=any(mistake.hide for mistake in mistakes))

    return structure


def _annotated_hook(kind: Any, within: Converter) -> Hook:
    base, marker = get_args(kind)[:2]
    if isinstance(marker, type):
        return given_hook(marker, within)
    if isinstance(marker, str) and marker in MARKED:
        return _scalar_hook(MARKED[marker].read)
    if isinstance(marker, str) and marker in SPELLINGS:
        return SPELLINGS[marker](within)
    return within.get_structure_hook(base)
