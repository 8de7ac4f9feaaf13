"""Write ``__init__.pyi`` of the face: the names are imported lazily, and type checkers need to see them statically."""

from __future__ import annotations

from pathlib import Path

import modelmesh_core
from modelmesh_core import testing

ROOT = Path(modelmesh_core.__file__).parent


def face_stub() -> str:
    """The stub of ``modelmesh_core``."""
    lines = ["# Made by tools/make_face.py from __init__.py: do not edit.", ""]
    for module, names in sorted(modelmesh_core.FACE.items()):
        lines.append(f"from {module} import (")
        lines.extend(f"    {name} as {name}," for name in sorted(names))
        lines.append(")")
    lines += ["", "FACE: dict[str, tuple[str, ...]]", "__version__: str", "__all__: list[str]", ""]
    return "\n".join(lines)


def testing_stub() -> str:
    """The stub of ``modelmesh_core.testing``."""
    lines = ["# Made by tools/make_face.py from __init__.py: do not edit.", "", "from . import answers as answers"]
    lines.extend(f"from {module} import {name} as {name}" for name, module in sorted(testing.FACE.items()))
    lines += ["", "FACE: dict[str, str]", "__all__: list[str]", ""]
    return "\n".join(lines)


STUBS = {ROOT / "__init__.pyi": face_stub, ROOT / "testing" / "__init__.pyi": testing_stub}

if __name__ == "__main__":
    for path, make in STUBS.items():
        path.write_text(make(), encoding="utf-8")
