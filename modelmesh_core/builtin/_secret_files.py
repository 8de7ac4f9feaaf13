"""What the secret stores that keep one file share: reading it, changing it safely, and errors that tell nothing."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from modelmesh_core import ModelMeshError, Secret, SecretStore

from ._files import file_lock, make_private_folder, replace_file

R = TypeVar("R")


class FileSecretStore(SecretStore):
    """Secrets in one file, read anew for each question. No file means no secrets; ``set`` makes it, for its owner only.

    Errors are raised ``from None`` wherever the original holds a piece of the file.
    """

    writable = True

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser()

    @abstractmethod
    def decode(self, content: bytes) -> Mapping[str, str]:
        """The secrets in the file's ``content``, which may be empty. Raises ModelMeshError."""

    @abstractmethod
    def edit(self, content: bytes, name: str, value: str | None) -> bytes:
        """``content`` with ``name`` set to ``value``, or removed (None). Raises ModelMeshError."""

    async def get(self, name: str) -> Secret | None:
        value = (await asyncio.to_thread(self._guarded, self._secrets)).get(name)
        return None if value is None else Secret(value)

    async def list(self) -> Sequence[str]:
        return sorted(await asyncio.to_thread(self._guarded, self._secrets))

    async def set(self, name: str, value: Secret) -> None:
        await asyncio.to_thread(self._guarded, lambda: self._change(name, value.reveal()))

    async def delete(self, name: str) -> bool:
        return await asyncio.to_thread(self._guarded, lambda: self._change(name, None))

    def _guarded(self, work: Callable[[], R]) -> R:
        try:
            return work()
        except OSError as error:
            raise ModelMeshError(
                f"secrets in {self.path} could not be read or written: {error.strerror}.",
                hint="Check the permissions of the file and its folder.",
            ) from error

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def _secrets(self) -> Mapping[str, str]:
        return self.decode(self._content())

    def _change(self, name: str, value: str | None) -> bool:
        """Whether ``name`` was there before. Removing what was not there touches nothing."""
        file = self.path.resolve()
        if value is not None:
            make_private_folder(file.parent)
        elif not file.exists():
            return False
        with file_lock(file.with_name(file.name + ".lock"), remove=True):
            content = self._content()
            existed = name in self.decode(content)
            if existed or value is not None:
                replace_file(file, self.edit(content, name, value))
        return existed


def utf8(content: bytes, path: Path) -> str:
    """``content`` as text. Raises ModelMeshError naming ``path``."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelMeshError(f"{path} is not UTF-8 text: see byte {error.start}.") from None
