"""A YAML file as the raw form of a configuration. ruamel.yaml is imported only when a file is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from ..errors import ConfigurationError, Problem
from .document import MAX_DEPTH, Allowance, Items, Place, Section, TooLargeError
from .mistakes import Path, shortened
from .references import UNKNOWN, read_text

MAX_FILE = 4 * 1024**2

_TAG = "tag:yaml.org,2002:"
_QUOTED = re.compile(r"(['\"])(?!<).{5,}?\1")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


def read_yaml(path: str | os.PathLike[str]) -> tuple[Section, list[Problem]]:
    """The raw form of the file, and every problem that does not keep it from being read further.

    Raises ConfigurationError for a file that is missing, too large, not YAML, or no mapping.
    """
    file = os.fspath(path)
    return read_yaml_text(_text_of(file), file)


def read_yaml_text(text: str, file: str) -> tuple[Section, list[Problem]]:
    """The same for text that stands somewhere else; ``file`` names it in problems."""
    if len(text) > MAX_FILE:
        raise ConfigurationError([Problem(f"this file is larger than {MAX_FILE // 1024**2} MB.", (), file)])
    node = _compose(text, file)
    if node is None:
        return Section(), []
    reader = _Reader(file)
    try:
        root = reader.read(node, ())
    except TooLargeError as error:
        raise ConfigurationError([Problem(error.message, (), file, *reader.last)]) from None
    if root is None and not reader.problems:
        return Section(), []  # nothing but `null` or `---`
    if not isinstance(root, Section):
        message = "expected a mapping at the top of a configuration, such as `providers:`."
        raise ConfigurationError([Problem(message, (), file, *_mark(node))])
    return root, reader.problems


def _text_of(file: str) -> str:
    try:
        with FilePath(file).open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError([Problem(f"this file cannot be read: {reason}.", (), file)]) from None
    if len(data) > MAX_FILE:
        raise ConfigurationError([Problem(f"this file is larger than {MAX_FILE // 1024**2} MB.", (), file)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([Problem("this file is not UTF-8 text.", (), file, line, 1)]) from None


def _compose(text: str, file: str) -> Any:
    """The node tree. Errors are told without the source line that ruamel shows: it may hold a secret."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)  # the C parser overflows its stack on deep nesting
    yaml.max_depth = MAX_DEPTH
    yaml.composer.warn_double_anchors = False
    try:
        return yaml.compose(text)
    except Exception as error:  # beside its own errors ruamel lets others through for odd input
        raise ConfigurationError([_syntax_problem(error, text, file)]) from None


def _syntax_problem(error: Exception, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
    position = getattr(error, "position", None)
    if isinstance(position, int):
        line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    if type(error).__name__ == "MaxDepthExceededError":
        return Problem(f"nested more than {MAX_DEPTH} deep.", (), file, line, column)
    problem, context, begun = (getattr(error, name, None) for name in ("problem", "context", "context_mark"))
    if str(problem) == "but found another document":
        return Problem("a configuration is one document, and here a second one begins.", (), file, line, column)
    told = str(problem or context or getattr(error, "reason", None) or type(error).__name__)
    if problem and context and begun is not None:
        told += f", {context} begun in line {begun.line + 1}"
    return Problem(f"this is not valid YAML: {_QUOTED.sub('…', told)}.", (), file, line, column)


def _mark(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


class _Reader:
    """Turns nodes into values, and notes what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.last = (1, 1)
        self._allowance = Allowance()

    def read(self, node: Any, path: Path) -> Any:
        self.last = _mark(node)
        self._allowance.spend(len(path))
        if node.id == "mapping":
            return self._section(node, path)
        if node.id == "sequence":
            items = Items()
            for index, item in enumerate(node.value):
                items.places[index] = Place(self.file, *_mark(item), *_mark(item))
                items.append(self.read(item, (*path, index)))
            return items
        return self._scalar(node, path)

    def _section(self, node: Any, path: Path) -> Section:
        section = Section()
        merges: list[tuple[Any, Any]] = []
        for key, value in node.value:
            if key.id == "scalar" and key.value == "<<" and key.style is None:
                merges.append((key, value))
                continue
            name = key.value if key.id == "scalar" and (key.style is not None or key.tag == _TAG + "str") else None
            if name is None:
                hint = " Put it in quotes." if key.id == "scalar" else ""
                self._note(f"expected a text as key.{hint}", path, key)
            elif name in section:
                first = section.places[name].key_line
                self._note(f"the key {shortened(name)} stands here twice; first in line {first}.", (*path, name), key)
            else:
                section.places[name] = Place(self.file, *_mark(key), *_mark(value))
                section[name] = self.read(value, (*path, name))
        for key, value in merges:
            self._merge(section, key, value, path)
        return section

    def _merge(self, section: Section, key: Any, value: Any, path: Path) -> None:
        """``<<: *anchor``: the keys of one or several mappings, as far as the section has none of its own."""
        for source in value.value if value.id == "sequence" else [value]:
            if source.id != "mapping":
                self._note("expected a mapping, or a list of mappings, after <<.", path, key)
                continue
            other = self.read(source, (*path, "<<"))  # deeper by one, so that a mapping in itself ends
            for name in other:
                if name not in section:
                    section[name] = other[name]
                    section.places[name] = other.places[name]

    def _scalar(self, node: Any, path: Path) -> Any:
        tag, text = str(node.tag), node.value
        if not tag.startswith(_TAG) or tag.removeprefix(_TAG) not in _TAGS:
            self._note("a tag such as !name means nothing here; take it away.", path, node)
            return UNKNOWN
        kind = tag.removeprefix(_TAG)
        if node.style is None and kind in ("null", "bool"):
            return _CONSTANTS.get(text.lower(), text)
        if node.style is None and kind in ("int", "float"):
            return _number(text)
        try:
            return read_text(text)
        except ValueError as error:
            self._note(str(error), path, node)
            return UNKNOWN

    def _note(self, message: str, path: Path, node: Any) -> None:
        self.problems.append(Problem(message, path, self.file, *_mark(node)))


_TAGS = ("str", "null", "bool", "int", "float", "timestamp", "merge", "value")


def _number(text: str) -> Any:
    """The number that a plain scalar writes; what Python cannot read as one (a sexagesimal, say) stays text."""
    digits = text.replace("_", "")
    readers: tuple[Callable[[str], Any], ...] = (int, lambda written: int(written, 0), float)
    for read in readers:
        try:
            return read(digits)
        except ValueError:
            continue
    special = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}.get(digits.lower())
    return float(special) if special else text
