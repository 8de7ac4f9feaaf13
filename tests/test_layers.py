"""The house: imports only go down, and plugins see the face, never the rooms."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "modelmesh_core"

FLOORS = [
    ["errors", "values", "limits"],
    ["wire"],
    ["capabilities"],
    ["catalogue"],
    ["settings"],
    ["interfaces"],
    ["hookspecs"],
    ["registry"],
    ["config"],
    ["secrets"],
    ["state", "keys"],
    ["rotation"],
    ["members"],
    ["pools"],
    ["routing"],
    ["transport"],
    ["observability"],
    ["execution"],
    ["engine", "background"],
    ["listing", "sharing", "services"],
    ["mesh"],
    ["openai_dialect", "vendor", "dialects"],
    ["client", "gateway", "cli"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FLOOR["openai_dialect"] = FLOOR["interfaces"] + 0.5
FLOOR["vendor"] = FLOOR["interfaces"] + 0.6
FLOOR["dialects"] = FLOOR["interfaces"] + 0.7
WAYS_IN = {"client", "gateway", "cli"}


def room_of(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int]]:
    """(dotted name from the core's root, line) of every import of the core that is made when the module is loaded."""
    package = path.relative_to(CORE).parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef, ast.If))
        for node in ast.walk(outer)
        if not isinstance(outer, ast.If) or "TYPE_CHECKING" in ast.dump(outer.test)
    }
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in late:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found.extend((".".join([*base, name]), node.lineno) for name in names)
    return found


CORE_FILES = [path for path in CORE.rglob("*.py") if path.parent != CORE or path.name != "__init__.py"]


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_imports_only_go_down(path):
    room = room_of(path)
    if room in ("builtin", "testing"):
        return
    for name, line in imports(path):
        target = name.split(".")[0]
        if target == room:
            continue
        where = f"{path.relative_to(ROOT)}:{line} imports {target}"
        assert target in FLOOR, f"{where}, which is no room below the ways in"
        assert FLOOR[target] < FLOOR[room], f"{where}, which is not below {room}"
        assert not (room in WAYS_IN and target in WAYS_IN), f"{where}: no way in knows another"


PLUGIN_FILES = [*(CORE / "builtin").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_see_the_face_only(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.split(".")[0] == "modelmesh_core":
                assert name in ("modelmesh_core", "modelmesh_core.testing"), f"{path}:{node.lineno} imports {name}"
        if isinstance(node, ast.ImportFrom) and node.level:
            depth = len(path.relative_to(CORE).parts) - 1 if path.is_relative_to(CORE) else 99
            assert node.level <= depth, f"{path}:{node.lineno} reaches out of builtin/"


def test_only_the_registry_knows_pluggys_manager():
    for path in CORE_FILES:
        if path.name != "registry.py" or path.parent != CORE:
            assert "PluginManager" not in path.read_text(encoding="utf-8"), path
