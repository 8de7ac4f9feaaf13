"""Hooks for lists, mappings and sections.

They go on after a mistake: a hook raises MistakesError with all it found and with what could be made of the rest, so
that one bad value hides neither the next one nor what the checks would say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin

import attrs

from ..values import Secret
from .fields import Field, fields_of
from .mistakes import MissingKeyError, MistakesError, Path, RefusedOptionsError, UnknownKeyError, WrongValueError
from .references import UNKNOWN

if TYPE_CHECKING:
    from cattrs import Converter

Hook = Callable[[Any, Any], Any]
T = TypeVar("T")


class Gathering:
    """Collects the mistakes of one container's parts."""

    def __init__(self) -> None:
        self.found: list[tuple[Path, Exception]] = []

    def take(self, hook: Hook, value: Any, kind: Any, *steps: str | int) -> Any:
        """What ``hook`` makes of the part at ``steps``; what can be made of it, or UNKNOWN, after a mistake."""
        try:
            return hook(value, kind)
        except MistakesError as mistakes:
            self.found.extend(((*steps, *path), error) for path, error in mistakes.found)
            return mistakes.partial
        except Exception as error:
            self.found.append((steps, error))
            return UNKNOWN

    def result(self, whole: T) -> T:
        """``whole``, if nothing was wrong. Raises MistakesError otherwise."""
        if self.found:
            raise MistakesError(self.found, whole)
        return whole


def is_list(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (tuple, list, set, frozenset, Sequence)


def list_hook(kind: Any, within: Converter) -> Hook:
    origin = get_origin(kind) or kind
    make = cast(Callable[[Any], Any], tuple if origin is Sequence else origin)
    element = next(iter(get_args(kind)), Any)

    def structure(value: Any, _: Any) -> Any:
        if value is None:
            return make(())
        if not isinstance(value, (list, tuple)):
            hint = " Write it in brackets: [...]." if isinstance(value, (str, int, float)) else ""
            raise MistakesError([((), WrongValueError("a list", value, hint, hide=element is Secret))], make(()))
        gathering = Gathering()
        hook = within.get_structure_hook(element)
        items = [gathering.take(hook, item, element, i) for i, item in enumerate(cast(Sequence[Any], value))]
        return gathering.result(make(items))

    return structure


def is_mapping(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (dict, Mapping)


def mapping_hook(kind: Any, within: Converter) -> Hook:
    element: Any = (*get_args(kind), Any, Any)[1]
    fields = fields_of(element) if attrs.has(element) else ()
    identity = next((field.name for field in fields if field.is_identity), None)

    def structure(value: Any, _: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise MistakesError([((), WrongValueError("a mapping", value, hide=True))], {})
        gathering = Gathering()
        hook = within.get_structure_hook(element)
        result: dict[str, Any] = {}
        for key, item in cast(Mapping[str, Any], value).items():
            entry = gathering.take(hook, item, element, key)
            result[key] = attrs.evolve(entry, **{identity: key}) if identity else entry
        return gathering.result(result)

    return structure


def section_hook(cls: Any, within: Converter) -> Hook:
    """For an attrs class: its fields, and (where it has an options field) the keys that it does not know."""
    fields = {field.name: field for field in fields_of(cls) if field.is_written}
    gathers = next((field.name for field in fields_of(cls) if field.is_options), None)
    start: dict[str, Any] = {field.name: "" for field in fields_of(cls) if field.is_identity}
    required = [field.name for field in fields.values() if field.default is attrs.NOTHING]
    hooks: dict[str, Hook] = {}

    def structure(value: Any, _: Any) -> Any:
        gathering = Gathering()
        values, others = dict(start), dict[str, Any]()
        is_mapping = value is None or isinstance(value, Mapping)
        if not is_mapping:
            gathering.found.append(((), WrongValueError("a mapping", value, hide=True)))
        for key, item in cast(Mapping[str, Any], value or {}).items() if is_mapping else ():
            field = fields.get(key)
            if field is None:
                others[key] = item
                continue
            if key not in hooks:
                hooks[key] = _field_hook(field, within)
            values[key] = gathering.take(hooks[key], item, field.type, key)
        if gathers is not None:
            values[gathers] = others
        else:
            gathering.found.extend(((key,), UnknownKeyError(key, list(fields))) for key in others)
        for name in required:
            if name not in values:
                values[name] = UNKNOWN
                gathering.found.extend([((), MissingKeyError(name))] if is_mapping else [])
        return gathering.result(_made(cls, values, gathering))

    return structure


def _made(cls: Any, values: Mapping[str, Any], gathering: Gathering) -> Any:
    try:
        return cls(**values)
    except Exception as error:
        if gathering.found:  # it was given UNKNOWN for a value that is refused already
            raise MistakesError(gathering.found, UNKNOWN) from None
        raise MistakesError([((), RefusedOptionsError(error, values))], UNKNOWN) from None


def _field_hook(field: Field, within: Converter) -> Hook:
    hook = within.get_structure_hook(field.type)
    minimum, maximum = field.minimum, field.maximum
    if minimum is None and maximum is None:
        return hook

    def structure(value: Any, kind: Any) -> Any:
        result = hook(value, kind)
        if isinstance(result, (int, float, Decimal)) and not isinstance(result, bool):
            is_low = minimum is not None and result < minimum
            if is_low or (maximum is not None and result > maximum):
                raise WrongValueError(_range(minimum, maximum), value)
        return result

    return structure


def _range(minimum: float | None, maximum: float | None) -> str:
    if maximum is not None:
        return f"a number from {minimum} to {maximum}"
    return "a duration of at least 1ms" if minimum == 0.001 else f"a number of at least {minimum}"
