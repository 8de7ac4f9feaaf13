"""``modelmesh.dotenv.v1``: secrets in a ``.env`` file. Values are literal: ``${NAME}`` inside one means itself."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs
from modelmesh_core import ModelMeshError, SecretStoreConnector, hookimpl

from ._common import missing_library
from ._secret_files import FileSecretStore, utf8

if TYPE_CHECKING:
    from dotenv.parser import Binding

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@attrs.frozen
class DotenvOptions:
    """Options of ``modelmesh.dotenv.v1``."""

    path: str = ".env"
    """The file, relative to the working directory. Its comments survive when a secret is changed."""


class DotenvSecretStore(FileSecretStore):
    """A ``.env`` file as python-dotenv reads it. Raises ModelMeshError naming a line that cannot be read."""

    def __init__(self, options: DotenvOptions | None = None) -> None:
        super().__init__((options or DotenvOptions()).path)

    def decode(self, content: bytes) -> Mapping[str, str]:
        return _values(self._bindings(utf8(content, self.path)))

    def edit(self, content: bytes, name: str, value: str | None) -> bytes:
        bindings = self._bindings(utf8(content, self.path))
        lines = [binding.original.string for binding in bindings]
        places = [index for index, binding in enumerate(bindings) if binding.key == name]
        if value is None:
            edited = "".join(line for index, line in enumerate(lines) if index not in places)
        else:
            if places:
                lines[places[-1]] = _changed(bindings[places[-1]], name, value)
            else:
                if lines and not lines[-1].endswith("\n"):
                    lines.append("\n")
                lines.append(_line(name, value))
            edited = "".join(lines)
            # Some characters no version of the format can hold; better refused than stored as something else.
            if not _NAME.fullmatch(name) or _values(self._bindings(edited)).get(name) != value:
                raise ModelMeshError(f"{self.path} cannot hold {name!r} with this value.", hint="Use another store.")
        return edited.encode()

    def _bindings(self, text: str) -> list[Binding]:
        try:
            from dotenv.parser import parse_stream
        except ImportError:
            raise missing_library("modelmesh.dotenv.v1", "python-dotenv", "dotenv") from None
        bindings = list(parse_stream(io.StringIO(text, newline="")))
        for binding in bindings:
            if binding.error:
                before = binding.original.string[: -len(binding.original.string.lstrip()) or None]
                line = binding.original.line + before.count("\n")
                raise ModelMeshError(f"{self.path}:{line}: this is no NAME=value line.", hint="Check its quotes.")
        return bindings


def _values(bindings: Iterable[Binding]) -> dict[str, str]:
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def _line(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{escaped}'\n"


def _changed(binding: Binding, name: str, value: str) -> str:
    """The lines of ``binding`` with another value, their blank lines, ``export`` and closing comment kept."""
    original = binding.original.string
    start = original[: len(original) - len(original.lstrip())]
    export = "export " if original.lstrip().startswith("export ") else ""
    line = _line(name, value)
    return f"{start}{export}{line[:-1]}{_closing_comment(binding)}\n"


def _closing_comment(binding: Binding) -> str:
    from dotenv.parser import parse_stream

    original = binding.original.string.rstrip("\r\n")
    for match in re.finditer(r"[^\S\r\n]+#", original):
        # A '#' opens the comment if the value is the same without what follows; else it is a part of the value.
        shortened = _values(parse_stream(io.StringIO(original[: match.start()], newline="")))
        if shortened == _values([binding]):
            return original[match.start() :]
    return ""


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="modelmesh.dotenv.v1",
        create=DotenvSecretStore,
        options=DotenvOptions,
        description="A .env file.",
    )
