"""CapabilityTree: which capability is part of which, and what a name means."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import attrs
import orjson

from ..errors import CapabilityNotFoundError, ConfigurationError


@attrs.define(slots=True)
class CapabilityNode:
    """One node: ``path`` is its full dotted name, for example ``generation.text-generation.chat-completion``."""

    name: str
    path: str
    parent: CapabilityNode | None = attrs.field(default=None, repr=False)
    children: list[CapabilityNode] = attrs.field(factory=list["CapabilityNode"], repr=False)

    @property
    def is_leaf(self) -> bool:
        return not self.children


class CapabilityTree:
    """The taxonomy of capabilities.

    Every method takes a full path or any unambiguous alias (a node's own name, or the tail of its path). An unknown
    or ambiguous name raises CapabilityNotFoundError, which suggests the nearest names or lists the possible paths.
    """

    def __init__(self, taxonomy: Mapping[str, Any] | None = None) -> None:
        self._by_path: dict[str, CapabilityNode] = {}
        self._by_name: dict[str, list[CapabilityNode]] = {}
        self._roots: list[CapabilityNode] = []
        if taxonomy is None:
            taxonomy = orjson.loads((files("modelmesh_core.capabilities") / "taxonomy.json").read_bytes())
        self._grow(None, taxonomy or {})

    def _grow(self, parent: CapabilityNode | None, children: Mapping[str, Any] | Iterable[str]) -> None:
        for name in children:
            node = self._attach(name, parent)
            if isinstance(children, Mapping):
                self._grow(node, children[name] or ())  # pyright: ignore[reportUnknownArgumentType]

    def _attach(self, name: str, parent: CapabilityNode | None) -> CapabilityNode:
        path = f"{parent.path}.{name}" if parent else name
        if path in self._by_path:
            return self._by_path[path]
        node = CapabilityNode(name, path, parent)
        (parent.children if parent else self._roots).append(node)
        self._by_path[path] = node
        self._by_name.setdefault(name, []).append(node)
        return node

    def add_node(self, path: str) -> CapabilityNode:
        """Add the node at ``path`` (and whatever is missing above it).

        The first segment may be an alias of an existing node: ``chat-completion.role-play`` adds below
        chat-completion. A leaf that gains children keeps its own models. Adding what exists changes nothing.
        """
        first, *rest = path.split(".")
        if not first or not all(rest):
            raise ConfigurationError(f"capability path {path!r} has an empty segment")
        node = self._by_path.get(path)
        if node is not None:
            return node
        known = self._by_name.get(first, [])
        if len(known) > 1:
            raise ConfigurationError(f"capability {first!r} is ambiguous: {', '.join(n.path for n in known)}")
        node = known[0] if known else self._attach(first, None)
        for name in rest:
            node = self._attach(name, node)
        return node

    def find(self, name: str) -> CapabilityNode | None:
        """The node that ``name`` means, or None. Raises CapabilityNotFoundError if it is ambiguous."""
        node = self._by_path.get(name)
        if node is not None:
            return node
        candidates = self._by_name.get(name.rpartition(".")[2], [])
        matches = [node for node in candidates if node.path.endswith(f".{name}") or node.name == name]
        if len(matches) > 1:
            paths = ", ".join(node.path for node in matches)
            raise CapabilityNotFoundError(f"capability {name!r} is ambiguous.", hint=f"Write one of: {paths}.")
        return matches[0] if matches else None

    def get_node(self, name: str) -> CapabilityNode:
        """The node that ``name`` means."""
        node = self.find(name)
        if node is None:
            near = self.suggest(name)
            hint = f"Did you mean {', '.join(near)}?" if near else "`modelmesh capabilities` lists all names."
            raise CapabilityNotFoundError(f"no capability is named {name!r}.", hint=hint)
        return node

    def resolve(self, alias: str) -> str:
        """The full path of ``alias``."""
        return self.get_node(alias).path

    def get_ancestors(self, name: str) -> list[CapabilityNode]:
        """From the parent up to the category, nearest first."""
        ancestors: list[CapabilityNode] = []
        node = self.get_node(name).parent
        while node:
            ancestors.append(node)
            node = node.parent
        return ancestors

    def get_descendants(self, name: str) -> list[CapabilityNode]:
        """Everything below, breadth first."""
        return list(self._descend(self.get_node(name)))

    def _descend(self, start: CapabilityNode) -> Iterator[CapabilityNode]:
        queue = deque(start.children)
        while queue:
            node = queue.popleft()
            yield node
            queue.extend(node.children)

    def get_leaves(self, name: str) -> list[CapabilityNode]:
        """The leaves at or below ``name``."""
        node = self.get_node(name)
        return [node] if node.is_leaf else [below for below in self._descend(node) if below.is_leaf]

    def is_ancestor_of(self, ancestor: str, name: str) -> bool:
        """Whether ``name`` lies strictly below ``ancestor``."""
        return self.get_node(name).path.startswith(self.get_node(ancestor).path + ".")

    def list_categories(self) -> list[CapabilityNode]:
        """The top nodes, in order."""
        return list(self._roots)

    def search(self, word: str) -> list[CapabilityNode]:
        """Nodes whose path contains ``word``, case-insensitively, in tree order."""
        word = word.lower()
        return [node for node in self._by_path.values() if word in node.path.lower()]

    def suggest(self, name: str) -> list[str]:
        """Up to three known names that look like ``name``."""
        return difflib.get_close_matches(name.rpartition(".")[2], self._by_name, n=3, cutoff=0.6)
