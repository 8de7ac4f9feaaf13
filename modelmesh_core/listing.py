"""What ``model=`` can name, as the clients and GET /v1/models list it."""

from __future__ import annotations

from typing import Any

from .engine import Engine
from .errors import CapabilityNotFoundError
from .routing.unlisted import UNLISTED

Row = dict[str, Any]


def list_models(engine: Engine) -> list[Row]:
    """The pools that have members, then (where they may be pinned) the models: OpenAI-shaped, with full ids."""
    named = [pool.id for pool in engine.pools.values() if pool.members and pool.id != UNLISTED]
    rows = [_row(pool, "modelmesh") for pool in named]
    if engine.config.allow_pinned_models:
        rows.extend(_row(model.id, model.provider) for model in engine.models.list_models())
    return rows


def find_model(engine: Engine, name: str) -> Row:
    """The row that ``name`` means: a listed id, a model's short name, or what a provider takes unlisted.

    Raises CapabilityNotFoundError.
    """
    rows = {row["id"]: row for row in list_models(engine)}
    model = engine.models.find(name)
    row = rows.get(name) or (rows.get(model.id) if model is not None else None)
    if row is None and model is None and engine.unlisted is not None and engine.config.allow_pinned_models:
        passed = engine.unlisted.find(name)
        row = _row(passed.id, passed.provider)
    if row is None:
        raise CapabilityNotFoundError(
            f"no pool or model is named {name!r}.", hint="The list of models shows what there is."
        )
    return row


def _row(name: str, owner: str) -> Row:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
