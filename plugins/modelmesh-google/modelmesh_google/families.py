"""What a model's name says of how it wants to be asked."""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

_GENERATION = re.compile(r"\bgemini-(\d{1,3})(?:[.-](\d{1,2})(?!\d))?")
_NEWEST = (99, 0)
"""Of the names that always mean Google's newest model."""
_LATEST = re.compile(r"\bgemini-(?:pro|flash|flash-lite)-latest")


@attrs.frozen
class Family:
    """Traits of a model, as far as its name tells them. A name that tells nothing is an unknown generation."""

    name: str
    generation: tuple[int, int] | None

    @property
    def is_at_least_3(self) -> bool:
        """It checks thought signatures, takes thinking levels, and media in tool results."""
        return self.generation is not None and self.generation >= (3, 0)

    @property
    def always_thinks(self) -> bool:
        return self.is_at_least_3 or ("pro" in self.name and self.generation == (2, 5))

    @property
    def thinks(self) -> bool:
        return self.generation is not None and self.generation >= (2, 5)

    @property
    def least_level(self) -> str:
        """The lowest thinking level it takes."""
        before = self.generation is not None and self.generation < (3, 7)
        return "minimal" if "flash-lite" in self.name or ("flash" in self.name and before) else "low"

    @property
    def has_medium_level(self) -> bool:
        return not ("pro" in self.name and self.generation == (3, 0))

    @property
    def knows_only_the_subset(self) -> bool:
        """Of JSON Schema it takes only what OpenAPI has."""
        return self.generation is not None and self.generation < (2, 0)

    @property
    def is_imagen(self) -> bool:
        return self.name.startswith("imagen")

    @property
    def takes_system_instruction(self) -> bool:
        return not self.name.startswith(("gemma-2", "gemma-3"))


@lru_cache(maxsize=512)
def family_of(upstream_model: str) -> Family:
    """The traits of the model that ``upstream_model`` names, with or without ``models/`` and the like before it."""
    name = upstream_model.rpartition("/")[2].lower()
    found = _GENERATION.search(name)
    if found is not None:
        return Family(name, (int(found[1]), int(found[2] or 0)))
    return Family(name, _NEWEST if _LATEST.search(name) else None)
