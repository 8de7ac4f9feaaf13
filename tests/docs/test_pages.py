"""The pages agree with the code, with each other, and with themselves."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import DOCS, PAGES, ROOT, prose
from modelmesh_core.cli.exits import Exit
from modelmesh_core.errors import FailureKind
from modelmesh_core.interfaces.observability import EVENTS
from modelmesh_core.interfaces.routing import Reason
from modelmesh_core.mesh import STEPS
from modelmesh_core.observability.request_log import LEVELS
from modelmesh_core.state.manager import POLICIES

MAKE_DOCS = ROOT / "tools" / "make_docs.py"


def text_of(name):
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_generated_parts_are_fresh():
    done = subprocess.run([sys.executable, MAKE_DOCS, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_key_of_the_configuration_has_a_meaning():
    code = "import docs_reference, docs_meanings; print(*docs_reference.undocumented(), *docs_reference.unused())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=MAKE_DOCS.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


# --- links -----------------------------------------------------------------------------------------------------------


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


LINKS = [
    (page, target) for page in PAGES for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in target
]


@pytest.mark.parametrize(("page", "target"), LINKS, ids=lambda value: str(value).rpartition("/")[2])
def test_links_lead_somewhere(page, target):
    name, _, anchor = target.partition("#")
    place = (page.parent / name).resolve() if name else page
    assert place.exists(), f"{page.name} links to {target}"
    assert place.is_relative_to(ROOT)
    if anchor:
        assert anchor in slugs(place), f"{page.name} links to {target}; there are {sorted(slugs(place))}"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_the_map_leads_to_every_page(page):
    assert page.name == "index.md" or f"]({page.name})" in text_of("index.md")


# --- the house -------------------------------------------------------------------------------------------------------


def test_the_rooms_are_those_that_the_layer_test_guards():
    spec = importlib.util.spec_from_file_location("layers", ROOT / "tests" / "test_layers.py")
    assert spec is not None and spec.loader is not None
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    table = prose(DOCS / "architecture.md").partition("| room | what it holds |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    assert {room for row in rows for room in row} == set(layers.FLOOR)
    floors = [[layers.FLOOR[room] for room in row] for row in rows]
    assert all(len(set(row)) == 1 for row in floors)
    assert [row[0] for row in floors] == sorted({row[0] for row in floors})


def test_the_files_that_the_architecture_names_are_there():
    for name in re.findall(r"`((?:\w+/)*\w+\.(?:py|json))`", text_of("architecture.md")):
        assert (ROOT / name).exists() or (ROOT / "modelmesh_core" / name).exists() or name == "taxonomy.json", name


def test_initialization_is_told_in_its_order():
    told = " ".join(text_of("architecture.md").split())
    places = [told.find(step) for step in STEPS]
    assert -1 not in places and places == sorted(places)


# --- lists that are kept by hand -------------------------------------------------------------------------------------

TOLD = [
    ("observability.md", EVENTS),
    ("observability.md", LEVELS),
    ("state.md", POLICIES),
    ("reliability.md", [kind.value for kind in FailureKind]),
    ("reliability.md", [reason.value for reason in Reason]),
    ("cli.md", [f"| {code.value} |" for code in Exit if code is not Exit.BROKEN_PIPE]),
]


@pytest.mark.parametrize(("page", "words"), TOLD, ids=[page for page, _ in TOLD])
def test_lists_are_complete(page, words):
    missing = [word for word in words if word not in text_of(page)]
    assert missing == []


def test_the_pages_say_nothing_of_the_machine_they_were_written_on():
    for page in PAGES:
        assert not re.search(r"/(?:home|work|root|tmp)/", page.read_text(encoding="utf-8")), page
