"""Catalogues of models that connectors keep as TOML files beside themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from decimal import Decimal
from importlib.resources import files

from modelmesh_core import CatalogueModel


def read_catalogue(file: str) -> Sequence[CatalogueModel]:
    """The models in ``file``: an array ``models`` of CatalogueModel fields, under one ``source`` and ``as_of``."""
    import cattrs

    data = tomllib.loads(files(__name__.rpartition(".")[0]).joinpath(file).read_text("utf-8"), parse_float=Decimal)
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Decimal, lambda value, _: Decimal(value))
    facts = {"source": data["source"], "as_of": data["as_of"]}
    return [converter.structure({**facts, **row}, CatalogueModel) for row in data["models"]]
