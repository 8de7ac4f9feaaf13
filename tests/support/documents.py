"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
NOT_A_CONFIGURATION = "<!-- not a configuration -->"

_FENCE = re.compile(r"(?P<before>[^\n]*\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    line: int
    language: str
    code: str
    before: str
    """The line above it."""

    @property
    def name(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The fenced blocks of these languages in a page, in order."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        if match["language"] in languages:
            line = text.count("\n", 0, match.start("code"))
            yield Block(page, line, match["language"], match["code"], (match["before"] or "").strip())


def all_blocks(*languages: str) -> list[Block]:
    """Those of every page."""
    return [block for page in PAGES for block in blocks(page, *languages)]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("\n", page.read_text(encoding="utf-8"))


def run(block: Block) -> None:
    """Run a Python block as a program of its own."""
    exec(compile(block.code, block.name, "exec"), {"__name__": "__main__"})
