"""``modelmesh capabilities``: the taxonomy, with the nodes that the configuration adds."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from .exits import Exit
from .meshes import config_file, load_config
from .parser import Commands

if TYPE_CHECKING:
    from ..capabilities import CapabilityNode, CapabilityTree
    from .output import Output


def declare(commands: Commands) -> None:
    parser = commands.add(
        "capabilities",
        run,
        "show what can be asked for: the tree of capabilities, or those that match a word",
        details="Models are registered at leaves; a pool can target any node. A node's own name is enough.",
    )
    parser.add_argument("word", metavar="WORD", nargs="?", help="only capabilities whose path holds this word")


def run(arguments: Namespace, output: Output) -> int:
    from ..capabilities import CapabilityTree

    tree = CapabilityTree()
    if config_file(arguments) is not None:
        for path in load_config(arguments).capabilities:
            tree.add_node(path)
    word: str | None = arguments.word
    found = tree.search(word) if word else _in_order(tree)
    if arguments.json:
        output.json([{"name": node.name, "path": node.path, "is_leaf": node.is_leaf} for node in found])
    elif word:
        for node in found:
            output.text(node.path)
    else:
        for node in found:
            depth = node.path.count(".")
            output.text("  " * depth + node.name, "" if node.is_leaf else "bold" if depth == 0 else "cyan")
    if found:
        return Exit.SUCCESS
    near = tree.suggest(word or "")
    output.error(f"no capability holds {word!r}." + (f" Did you mean {', '.join(near)}?" if near else ""))
    return Exit.FAILED


def _in_order(tree: CapabilityTree) -> list[CapabilityNode]:
    """Every node, each before what is below it."""
    found: list[CapabilityNode] = []
    stack = tree.list_categories()[::-1]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(node.children[::-1])
    return found
