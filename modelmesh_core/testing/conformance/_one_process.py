"""One process of ``run_in_processes``: ``python -m ..._one_process FILE CLASS FOLDER METHOD``.

It loads the test class by its file, because test modules cannot be imported by name everywhere.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ._processes import LOST, WON
from .storage import StorageConformance


def load(file: str, qualified_name: str) -> type[StorageConformance]:
    """The class of that name in ``file``."""
    spec = importlib.util.spec_from_file_location("modelmesh_conformance_subject", file)
    assert spec is not None and spec.loader is not None, f"{file} is no Python file"
    found: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    for part in qualified_name.split("."):
        found = getattr(found, part)
    return found


if __name__ == "__main__":
    suite = load(sys.argv[1], sys.argv[2])
    won = asyncio.run(getattr(suite, sys.argv[4])(Path(sys.argv[3])))
    sys.exit(WON if won else LOST)
