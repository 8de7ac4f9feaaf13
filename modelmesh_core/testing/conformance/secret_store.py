"""``SecretStoreConformance``: what every SecretStore has to do."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from modelmesh_core import ModelMeshError, Secret, SecretStore

from ._support import in_loop

VALUES = {
    "PLAIN_KEY": "sk-plain-0123456789",
    "AWKWARD_KEY": ' it\'s "quoted" $HOME ${PLAIN_KEY} \\n #not-a-comment = % ',
    "OTHER_KEY": "пароль-密碼-🔑",
}


class SecretStoreConformance(ABC):
    """Inherit it, name your class ``Test...``, and write ``make``."""

    persistent: bool = True
    """Whether a second store of the same ``folder`` has what was set in the first."""

    @abstractmethod
    def make(self, folder: Path, values: Mapping[str, str]) -> SecretStore:
        """A new store that has ``values``, beside what was set in an earlier one of the same ``folder``.

        A store that is ``writable`` may be asked for with no values, and is then filled through ``set``.
        """

    async def filled(self, folder: Path) -> SecretStore:
        """A store that has ``VALUES``."""
        store = self.make(folder, {})
        if not store.writable:
            return self.make(folder, VALUES)
        for name, value in VALUES.items():
            await store.set(name, Secret(value))
        return store

    @in_loop
    async def test_a_secret_comes_back_exactly(self, tmp_path: Path) -> None:
        store = await self.filled(tmp_path)
        for name, value in VALUES.items():
            secret = await store.get(name)
            assert isinstance(secret, Secret), f"get({name!r}) must give a Secret"
            assert secret.reveal() == value
        await store.close()

    @in_loop
    async def test_a_name_that_is_not_there_is_none(self, tmp_path: Path) -> None:
        store = await self.filled(tmp_path)
        assert await store.get("NO_SUCH_KEY") is None
        await store.close()

    @in_loop
    async def test_an_empty_store_has_nothing(self, tmp_path: Path) -> None:
        store = self.make(tmp_path, {})
        assert await store.get("PLAIN_KEY") is None
        if store.writable:
            assert list(await store.list()) == []
            assert not await store.delete("PLAIN_KEY"), "delete must say False when there was nothing"
        await store.close()

    @in_loop
    async def test_the_store_never_shows_a_secret(self, tmp_path: Path) -> None:
        store = await self.filled(tmp_path)
        shown = f"{store!r} {store} {await store.get('PLAIN_KEY')!r} {await store.get('PLAIN_KEY')}"
        for name, value in VALUES.items():
            assert value not in shown, f"{name} is visible in the store's text"
        await store.close()

    @in_loop
    async def test_a_written_secret_can_be_listed_replaced_and_deleted(self, tmp_path: Path) -> None:
        store = await self.filled(tmp_path)
        if not store.writable:
            return
        assert list(await store.list()) == sorted(VALUES)
        await store.set("PLAIN_KEY", Secret("sk-new"))
        secret = await store.get("PLAIN_KEY")
        assert secret is not None and secret.reveal() == "sk-new"
        assert list(await store.list()) == sorted(VALUES), "replacing adds no name"
        assert await store.delete("PLAIN_KEY")
        assert await store.get("PLAIN_KEY") is None
        assert not await store.delete("PLAIN_KEY")
        assert list(await store.list()) == sorted(set(VALUES) - {"PLAIN_KEY"})
        other = await store.get("AWKWARD_KEY")
        assert other is not None and other.reveal() == VALUES["AWKWARD_KEY"], "the others are untouched"
        await store.close()

    @in_loop
    async def test_what_was_set_outlives_the_store(self, tmp_path: Path) -> None:
        store = await self.filled(tmp_path)
        await store.close()
        if not (store.writable and self.persistent):
            return
        later = self.make(tmp_path, {})
        for name, value in VALUES.items():
            secret = await later.get(name)
            assert secret is not None and secret.reveal() == value
        await later.close()

    @in_loop
    async def test_a_store_that_cannot_be_written_says_so_without_the_secret(self, tmp_path: Path) -> None:
        store = await self.filled(tmp_path)
        if store.writable:
            return
        for attempt in (store.set("NEW_KEY", Secret("sk-refused-0123")), store.delete("PLAIN_KEY"), store.list()):
            try:
                await attempt
            except ModelMeshError as error:
                assert "sk-refused-0123" not in "".join(traceback.format_exception(error))
            else:
                raise AssertionError("a store that is not writable must raise ModelMeshError from set, delete and list")
        await store.close()
