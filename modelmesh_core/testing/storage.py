"""A storage for examples and tests."""

from __future__ import annotations

from ..builtin.storage_memory import MemoryStorage as DictStorage

__all__ = ["DictStorage"]
