"""What ``model=`` can name, as the clients and GET /v1/models list it."""

from __future__ import annotations

from typing import Any

from .engine import Engine
from .errors import CapabilityNotFoundError
from .limits import KeyLimits
from .routing.unlisted import UNLISTED

Row = dict[str, Any]
_NO_LIMITS = KeyLimits()


def list_models(engine: Engine, limits: KeyLimits | None = None) -> list[Row]:
    """The pools that have members, then (where they may be pinned) the models: OpenAI-shaped, with full ids.

    ``limits``: of the key that asks; what it cannot use is left out.
    """
    limits = limits or _NO_LIMITS
    allowed = [
        pool
        for pool in engine.pools.values()
        if (not limits.pools or pool.id in limits.pools) and any(map(limits.allows_model, pool.members))
    ]
    rows = [_row(pool.id, "modelmesh") for pool in allowed if pool.id != UNLISTED]
    if engine.config.allow_pinned_models:
        models = [model for model in engine.models.list_models() if limits.allows_model(model.id)]
        if limits.pools:
            models = [model for model in models if any(model.id in pool.members for pool in allowed)]
        rows.extend(_row(model.id, model.provider) for model in models)
    return rows


def find_model(engine: Engine, name: str, limits: KeyLimits | None = None) -> Row:
    """The row that ``name`` means: a listed id, a model's short name, or what a provider takes unlisted.

    Raises CapabilityNotFoundError.
    """
    rows = {row["id"]: row for row in list_models(engine, limits)}
    model = engine.models.find(name)
    row = rows.get(name) or (rows.get(model.id) if model is not None else None)
    is_open = limits is None or not limits.narrows
    if row is None and model is None and is_open and engine.unlisted is not None and engine.config.allow_pinned_models:
        passed = engine.unlisted.find(name)
        row = _row(passed.id, passed.provider)
    if row is None:
        raise CapabilityNotFoundError(
            f"no pool or model is named {name!r}.", hint="The list of models shows what there is."
        )
    return row


def _row(name: str, owner: str) -> Row:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
