"""Write the generated parts of docs/: what stands between two marks is made from the code, the rest by hand.

python tools/make_docs.py           writes
python tools/make_docs.py --check   says which pages are stale, and ends with 1 if any is
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

from docs_commands import commands
from docs_providers import providers
from docs_recordings import recordings, unequal_recordings
from docs_reference import options_table, reference
from docs_words import FAILURES, PLANNED
from modelmesh_core import CapabilityTree, ProviderConnector, hookspecs
from modelmesh_core.config.schema import ENDPOINTS
from modelmesh_core.config.unbuilt import UNBUILT
from modelmesh_core.execution.retry import TABLE
from modelmesh_core.gateway.endpoints import ROUTES
from modelmesh_core.registry import GROUP, KINDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

_PART = re.compile(r"(<!-- made by tools/make_docs\.py: (?P<name>[a-z-]+) -->\n).*?(<!-- end of it -->)", re.DOTALL)


def rewritten(page: Path) -> str:
    """The text of ``page`` with its generated parts made anew. Raises KeyError for a part that nobody makes."""
    return _PART.sub(
        lambda part: f"{part[1]}\n{PARTS[part['name']]().strip()}\n\n{part[3]}", page.read_text(encoding="utf-8")
    )


def code_marks(text: str) -> str:
    """Docstring text with Markdown's marks for code."""
    return text.replace("``", "`")


# --- hooks -----------------------------------------------------------------------------------------------------------


def hooks() -> str:
    """Every hook, in the order and under the titles of hookspecs.py."""
    source = inspect.getsource(hookspecs)
    lines: list[str] = []
    for match in re.finditer(r"^# --- (?P<title>.+?) -+$|^def (?P<name>\w+)\(", source, re.MULTILINE):
        lines += [f"## {match['title']}", ""] if match["title"] else _hook(match["name"])
    return "\n".join(lines)


def _hook(name: str) -> Iterator[str]:
    hook = getattr(hookspecs, name)
    options: Mapping[str, Any] = hook.modelmesh_spec
    signature = str(inspect.signature(hook)).replace("'", "")
    yield f"### `{name}`"
    yield ""
    yield f"```text\n{name}{signature}\n```"
    yield ""
    yield "The first plugin that answers decides." if options["firstresult"] else "Every plugin that has it is called."
    yield ""
    yield from _markdown(inspect.getdoc(hook) or "")
    yield ""


def hooks_introduction() -> str:
    """The head of hookspecs.py."""
    return "\n".join(_markdown(inspect.getdoc(hookspecs) or ""))


def _markdown(docstring: str) -> Iterator[str]:
    """A docstring whose code blocks are indented under ``::`` as Markdown with fences."""
    for block in re.split(r"\n\n(?=\S)", docstring):
        text, is_code, code = block.partition("::\n\n")
        yield code_marks(text) + (":" if is_code else "")
        if is_code:
            code = dedent(code).strip()
            yield f"\n```{'toml' if code.startswith('[') else 'python'}\n{code}\n```"
        yield ""


# --- connectors ------------------------------------------------------------------------------------------------------


def _entry_points(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, id and target of every connector that the distribution in ``folder`` offers."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, target in project["entry-points"][GROUP].items():
        kind, _, connector_id = name.partition(".")
        yield kind, connector_id, target


def _record(kind: str, connector_id: str, target: str) -> Any:
    plugin = import_module(target)
    records = getattr(plugin, f"{kind.replace('-', '_')}_connectors")()
    return next(record for record in records if record.id == connector_id)


def connectors() -> str:
    """The connectors of the core with their options, and where those of the other distributions are described."""
    lines: list[str] = []
    for kind in KINDS:
        own = [entry for entry in _entry_points(ROOT) if entry[0] == kind]
        if not own or kind == "rotation":
            continue
        lines += [f"### Of the kind {kind}", ""]
        records = [_record(*entry) for entry in sorted(own)]
        lines += ["| id | what it is |", "|---|---|"]
        lines += [f"| `{record.id}` | {code_marks(record.description)} |" for record in records]
        lines.append("")
        for record in records:
            if record.options is not None:
                lines += [f"Options of `{record.id}`:", "", options_table(record.options), ""]
    for folder in sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml")):
        for kind, connector_id, _ in _entry_points(folder):
            place = f"../plugins/{folder.name}/README.md"
            lines.append(f"- `{connector_id}` ({kind}) comes with [plugins/{folder.name}]({place}).")
    return "\n".join(lines)


def variables() -> str:
    """The variables by which providers are found."""
    lines = ["| connector | key | address |", "|---|---|---|"]
    for entry in sorted(_entry_points(ROOT)):
        record = _record(*entry) if entry[0] == "provider" else None
        if isinstance(record, ProviderConnector) and record.environment is not None:
            found = record.environment
            names = [", ".join(f"`{name}`" for name in each) or "–" for each in (found.api_key, found.base_url)]
            lines.append(f"| `{record.id}` | {' | '.join(names)} |")
    return "\n".join(lines)


def strategies() -> str:
    """The selection strategies, each with the sentence that begins its module."""
    lines = ["| id | rule |", "|---|---|"]
    for kind, connector_id, target in _entry_points(ROOT):
        if kind == "rotation":
            module = import_module(target.partition(":")[0])
            rule = (inspect.getdoc(module) or "").partition(": ")[2]
            rule = code_marks(" ".join(rule.split()))
            lines.append(f"| `{connector_id}` | {rule[0].upper()}{rule[1:]} |")
    return "\n".join(lines)


# --- the rest --------------------------------------------------------------------------------------------------------


def capabilities() -> str:
    """The tree of capabilities."""
    tree, lines = CapabilityTree(), list[str]()
    stack = tree.list_categories()[::-1]
    while stack:
        node = stack.pop()
        lines.append("  " * node.path.count(".") + node.name)
        stack.extend(node.children[::-1])
    return "```text\n" + "\n".join(lines) + "\n```"


def failures() -> str:
    """The error table."""
    lines = ["| kind | what it is | same model again | another model | what it marks |", "|---|---|---|---|---|"]
    for kind, rule in TABLE.items():
        words = FAILURES[kind]
        again = words.again or ("yes" if rule.retry else "no")
        other = words.other or ("yes" if rule.rotate else "no")
        lines.append(f"| `{kind.value}` | {words.what} | {again} | {other} | {words.marks} |")
    return "\n".join(lines)


def unbuilt() -> str:
    """The keys that are refused."""
    lines = ["| key | values | use instead |", "|---|---|---|"]
    for row in UNBUILT:
        values: Any = row.values
        if isinstance(values, range):
            shown = f"{values[0]} to {values[-1]}"
        else:
            shown = "any" if values is None else ", ".join(f"`{value}`" for value in values)
        key = row.pattern.replace("providers.*", "providers.<name>").replace("pools.*", "pools.<id>")
        lines.append(f"| `{key}` | {shown} | {row.instead} |")
    return "\n".join(lines)


def endpoints() -> str:
    """The endpoints of the gateway: which it serves, and which it knows and does not serve."""
    served = {path.rstrip("/") for _, path in ROUTES}
    missing = [path for path in ENDPOINTS if path not in served]
    if not missing:
        return "What is switched off is answered with 404 and the code `endpoint_not_served`."
    return f"It answers 404 with the code `endpoint_not_served` for {', '.join(f'`{path}`' for path in missing)}."


def planned() -> str:
    """The connectors that are planned and that no distribution of the repository offers."""
    folders = [ROOT, *(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]
    there = {(kind, own) for folder in folders for kind, own, _ in _entry_points(folder)}
    lines = ["| kind | connectors |", "|---|---|"]
    for kind, ids in PLANNED.items():
        missing = [f"`{own}`" for own in ids if (kind, own) not in there]
        if missing:
            lines.append(f"| {kind} | {', '.join(missing)} |")
    return "\n".join(lines) if len(lines) > 2 else "None: all that were planned are there."


PARTS: Mapping[str, Callable[[], str]] = {
    "capabilities": capabilities,
    "commands": commands,
    "configuration": reference,
    "connectors": connectors,
    "endpoints": endpoints,
    "failures": failures,
    "hooks": hooks,
    "hooks-introduction": hooks_introduction,
    "planned": planned,
    "providers": providers,
    "recordings": recordings,
    "strategies": strategies,
    "unbuilt": unbuilt,
    "unequal-recordings": unequal_recordings,
    "variables": variables,
}


def main() -> int:
    stale = [page for page in sorted(DOCS.glob("*.md")) if page.read_text(encoding="utf-8") != rewritten(page)]
    if "--check" in sys.argv:
        names = ", ".join(page.name for page in stale)
        if stale:
            print(f"stale: {names}; run `python tools/make_docs.py`")
        return 1 if stale else 0
    for page in stale:
        page.write_text(rewritten(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
