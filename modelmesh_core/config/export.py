"""The exportable form of a configuration. No secret that stands in it in clear gets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import attrs

from ..values import Secret
from .document import Items, Section
from .fields import fields_of, written_keys
from .mistakes import looks_secret
from .references import Reference
from .spellings import one_or_many

if TYPE_CHECKING:
    from .loader import MeshConfig

HIDDEN = "***"
_UNSEEN = object()
"""In the place of typed options that are not there: their texts may be secrets."""


def export(config: MeshConfig) -> dict[str, Any]:
    """The raw form of ``config`` with every Secret in clear replaced: raw and typed form are walked side by side."""
    return {key: _exported(value, _part(config, key)) for key, value in config.root.items()}


def to_yaml(config: MeshConfig) -> str:
    """``export`` as YAML text."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml: Any = YAML()
    yaml.width = 120
    stream = StringIO()
    yaml.dump(export(config), stream)
    return stream.getvalue()


def _exported(raw: Any, typed: Any, name: str = "", *, in_options: bool = False) -> Any:
    if isinstance(raw, Reference):
        return raw.text
    if isinstance(raw, Section):
        return {
            key: _exported(value, _part(typed, key), key, in_options=in_options or _is_option(typed, key))
            for key, value in raw.items()
        }
    if isinstance(raw, Items):
        parts = _parts(typed, len(raw))
        return [_exported(value, part, name, in_options=in_options) for value, part in zip(raw, parts, strict=True)]
    if isinstance(typed, tuple):  # one value where a list may stand
        typed = next(iter(cast(Sequence[Any], typed)), None)
    if isinstance(raw, str):
        is_hidden = isinstance(typed, Secret) or typed is _UNSEEN or (in_options and looks_secret(name))
        return HIDDEN if is_hidden else raw.replace("${", "$${")
    if raw is None or isinstance(raw, (bool, int, float)):
        return raw
    return str(raw) if isinstance(raw, Decimal) else HIDDEN


def _part(typed: Any, key: str) -> Any:
    """What stands under ``key`` in the typed form."""
    if typed is _UNSEEN:
        return _UNSEEN
    if isinstance(typed, Mapping):
        return cast(Mapping[str, Any], typed).get(key)
    if isinstance(typed, tuple):
        items = one_or_many(cast(Any, typed))
        return _part(items[0][1], key) if items else None
    if not attrs.has(typed.__class__):
        return None
    if not _is_option(typed, key):
        return getattr(typed, key, None)
    options = getattr(typed, "options")  # noqa: B009
    stores = cast(Mapping[str, Any], options).values() if isinstance(options, Mapping) else [options]
    return next((getattr(own, key) for own in stores if hasattr(own, key)), _UNSEEN)


def _is_option(typed: Any, key: str) -> bool:
    if not attrs.has(typed.__class__):
        return False
    cls = typed.__class__
    return any(field.is_options for field in fields_of(cls)) and key not in written_keys(cls)


def _parts(typed: Any, length: int) -> Sequence[Any]:
    if typed is _UNSEEN:
        return [_UNSEEN] * length
    items = list(cast(Sequence[Any], typed)) if isinstance(typed, (tuple, list)) else []
    return items if len(items) == length else [None] * length
