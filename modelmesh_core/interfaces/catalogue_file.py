"""Catalogues of models that connectors keep as TOML files beside themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from typing import Any

from .provider import CatalogueModel, FreeTier


def read_catalogue(package: str, file: str) -> Sequence[CatalogueModel]:
    """The models in ``file`` of ``package``: an array ``models`` of CatalogueModel fields.

    ``source`` and ``as_of`` at the top say where and when the facts were taken; a model can have its own. Lists that
    many models share stand once, under ``sets``: ``"@chat"`` among capabilities or features is what ``sets.chat``
    holds. Prices are USD per 1M tokens. Raises KeyError for an unknown set, and what cattrs raises for an unknown key.
    """
    import cattrs

    data = tomllib.loads(files(package).joinpath(file).read_text("utf-8"), parse_float=Decimal)
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Decimal, lambda value, _: Decimal(value))
    facts = {"source": data["source"], "as_of": data["as_of"]}
    sets: Mapping[str, Sequence[str]] = data.get("sets", {})
    return [converter.structure({**facts, **_spelt_out(row, sets)}, CatalogueModel) for row in data["models"]]


def read_free_tier(package: str, file: str) -> FreeTier | None:
    """What the table ``free_tier`` of the same file says of the vendor's free tier; None without one.

    Limits of single models stand with them, as ``free_tier_limits``. Raises what cattrs raises for an unknown key.
    """
    import cattrs

    data = tomllib.loads(files(package).joinpath(file).read_text("utf-8"), parse_float=Decimal)
    if "free_tier" not in data:
        return None
    return cattrs.Converter(forbid_extra_keys=True).structure(data["free_tier"], FreeTier)


def _spelt_out(row: Mapping[str, Any], sets: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    lists = {key: row[key] for key in ("capabilities", "features") if key in row}
    return {**row, **{key: [word for name in names for word in _words(name, sets)] for key, names in lists.items()}}


def _words(name: str, sets: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return sets[name[1:]] if name.startswith("@") else (name,)
