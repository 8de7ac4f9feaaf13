"""Hooks for what can be written in more than one way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..catalogue.definitions import FEATURES
from .containers import Gathering, Hook, section_hook
from .fields import written_keys
from .mistakes import MistakesError, Path, UnknownKeyError, WrongValueError, nearest
from .scalars import read_truth, tolerant
from .schema import SinkConfig

if TYPE_CHECKING:
    from cattrs import Converter


def one_or_many(value: Any) -> list[tuple[Path, Any]]:
    """The items of what is written as one value or as a list, each with its path."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [((index,), item) for index, item in enumerate(cast(Sequence[Any], value))]
    return [((), value)]


def _one_or_many_hook(within: Converter) -> Hook:
    def structure(value: Any, _: Any) -> tuple[str, ...]:
        gathering = Gathering()
        hook = within.get_structure_hook(str)
        return gathering.result(tuple(gathering.take(hook, item, str, *path) for path, item in one_or_many(value)))

    return structure


def _sinks_hook(within: Converter) -> Hook:
    """An id, a mapping of ``connector`` and its options, or a list of these."""

    def structure(value: Any, _: Any) -> tuple[SinkConfig, ...]:
        gathering = Gathering()
        hook = within.get_structure_hook(SinkConfig)
        sinks: list[SinkConfig] = []
        for path, item in one_or_many(value):
            is_bare = not isinstance(item, Mapping)
            if is_bare:
                connector = gathering.take(within.get_structure_hook(str), item, str, *path)
                sinks.append(SinkConfig(connector, {}))
            else:
                sinks.append(gathering.take(hook, item, SinkConfig, *path))
        return gathering.result(tuple(sinks))

    return structure


def _features_hook(_within: Converter) -> Hook:
    """Feature → whether the model has it; a list says that it has them."""
    known = sorted(FEATURES)
    read = tolerant(read_truth)

    def structure(value: Any, _: Any) -> dict[str, bool]:
        gathering = Gathering()
        features: dict[str, bool] = {}
        if isinstance(value, (list, tuple)):
            for index, name in enumerate(cast(Sequence[Any], value)):
                if isinstance(name, str) and name in FEATURES:
                    features[name] = True
                elif isinstance(name, str):
                    gathering.found.append(
                        ((index,), WrongValueError("the name of a feature", name, nearest(name, known)))
                    )
                else:
                    gathering.found.append(((index,), WrongValueError("the name of a feature", name)))
        elif isinstance(value, Mapping):
            for name, has_it in cast(Mapping[str, Any], value).items():
                if name in FEATURES:
                    features[name] = gathering.take(lambda item, _: read(item), has_it, bool, name)
                else:
                    gathering.found.append(((name,), UnknownKeyError(name, known)))
        elif value is not None:
            gathering.found.append(((), WrongValueError("a mapping or a list of features", value)))
        return gathering.result(features)

    return structure


def capability_paths(value: Any) -> Iterator[tuple[Path, Any]]:
    """Each capability that is written as a list of paths or as a nested mapping: its place, and its dotted path.

    What is no text where a name should stand is given as it is.
    """

    def walk(node: Any, path: Path, prefix: str) -> Iterator[tuple[Path, Any]]:
        if isinstance(node, Mapping):
            for name, below in cast(Mapping[str, Any], node).items():
                yield (*path, name), prefix + name
                yield from walk(below, (*path, name), f"{prefix}{name}.")
        elif isinstance(node, (list, tuple)):
            for index, item in enumerate(cast(Sequence[Any], node)):
                if isinstance(item, Mapping):
                    yield from walk(item, (*path, index), prefix)
                else:
                    yield (*path, index), prefix + item if isinstance(item, str) else item
        elif node is not None:
            yield path, WrongValueError("a list of names or a mapping", node)

    return walk(value, (), "")


def _capabilities_hook(_within: Converter) -> Hook:
    def structure(value: Any, _: Any) -> tuple[str, ...]:
        gathering = Gathering()
        paths: list[str] = []
        for place, name in capability_paths(value):
            if isinstance(name, str):
                paths.append(name)
            else:
                mistake = (
                    name if isinstance(name, WrongValueError) else WrongValueError("the name of a capability", name)
                )
                gathering.found.append((place, mistake))
        return gathering.result(tuple(dict.fromkeys(paths)))

    return structure


SPELLINGS: Mapping[str, Callable[[Converter], Hook]] = {
    "one or many": _one_or_many_hook,
    "sinks": _sinks_hook,
    "features": _features_hook,
    "capability paths": _capabilities_hook,
}
"""By the marker of an ``Annotated`` type."""


def given_hook(cls: type, within: Converter) -> Hook:
    """Only the keys that were written, each as ``cls`` has it: what is laid over the catalogue's values."""
    names = frozenset(written_keys(cls))

    def given(value: Any, made: Any) -> dict[str, Any]:
        keys = cast(Mapping[str, Any], value) if isinstance(value, Mapping) else ()
        return {key: getattr(made, key) for key in keys if key in names}

    def structure(value: Any, _: Any) -> dict[str, Any]:
        try:
            return given(value, within.get_structure_hook(cls)(value, cls))
        except MistakesError as mistakes:
            raise MistakesError(mistakes.found, given(value, mistakes.partial)) from None

    return structure


def timeouts_hook(cls: type, within: Converter) -> Hook:
    """A bare duration sets ``total``."""
    section = section_hook(cls, within)

    def structure(value: Any, _: Any) -> Any:
        return section(value if value is None or isinstance(value, (Mapping, list)) else {"total": value}, cls)

    return structure
