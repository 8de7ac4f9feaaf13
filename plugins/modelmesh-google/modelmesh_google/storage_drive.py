"""``google.drive.v1``: values, leases, counters and the ledger as files in a folder of Google Drive.

For one process or a few, and not for a ledger that many requests pass: a change takes several calls of a second each.

What is atomic. Drive takes two files of one name, and in version 3 of its API the last of two writers wins. Two things
can be built on: a file is made with an id that was asked for before, so that it is made once, however often that is
tried (409 after the first time); and version 2 of the API replaces content only if its ``etag`` is still the one that
was read (``If-Match``, 412). So leases, counters and the ledger are one file each that is replaced in that way, and so
is the index, which says of every name what its file is. Where the index is, a property of the folder says, which was
set under the same condition. Whether the conditions are honoured is tried when the index is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
from modelmesh_core import (
    EMPTY_DOCUMENT,
    Clock,
    ConnectorError,
    DocumentStorage,
    Duration,
    HttpStoreOptions,
    Secret,
    StorageConnector,
    StorageError,
    StoreClient,
    StoredInfo,
    SystemClock,
    hookimpl,
)

from .drive_account import DriveAccount
from .drive_files import DriveFiles

R = TypeVar("R")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")
_FOLDER = re.compile(r"[A-Za-z0-9_-]+")
_INDEX = "index"
_WRONG = '"modelmesh-no-etag"'


def _check_name(options: Any, field: Any, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError("expected at most 40 letters, digits, '.', '_' and '-'")


def _check_folder(options: Any, field: Any, folder: str) -> None:
    if not _FOLDER.fullmatch(folder):
        raise ValueError("expected the id of a folder: what stands in its address after folders/")


@attrs.frozen
class DriveOptions(HttpStoreOptions):
    """Options of ``google.drive.v1``. ``timeout`` is for a whole call, its further tries included."""

    folder: str = attrs.field(kw_only=True, validator=_check_folder)
    """Its id: what stands in its address after ``folders/``. The account has to be allowed to edit it."""
    name: str = attrs.field(default="modelmesh", validator=_check_name)
    """What is kept under one name in a folder is shared."""
    service_account: Secret | None = None
    """The JSON of a service account or an authorized user, or the path of its file. Default:
    ``GOOGLE_APPLICATION_CREDENTIALS``. A service account needs a folder of a shared drive, or ``subject``."""
    subject: str | None = None
    """The user as whom a service account acts, by domain-wide delegation."""
    access_token: Secret | None = None
    """A token as it is. It is not replaced when it ends."""
    endpoint: str = "https://www.googleapis.com"
    """In the place of Google's own address."""
    lock_timeout: Duration = 60.0
    """How long to go on while other processes always change the same thing first."""
    counter_retention: Duration = 40 * 86400.0
    """Counters of a window that nobody added to for this long are forgotten; longer than the longest window."""


class DriveStorage(DocumentStorage):
    """Files in one folder. Leases follow Google's clock.

    Raises ConnectorError for options that cannot work, StorageError for a value that does not match its checksum.
    """

    longest_pause = 8.0

    def __init__(
        self, options: DriveOptions, clock: Clock | None = None, *, environ: Mapping[str, str] | None = None
    ) -> None:
        clock = clock or SystemClock()
        super().__init__(clock, lock_timeout=options.lock_timeout, counter_retention=options.counter_retention)
        base = options.endpoint.rstrip("/")
        if not re.fullmatch(r"https?://[^/@?#]+[^@?#]*", base):
            raise ConnectorError(
                "google.drive.v1 needs an endpoint such as https://www.googleapis.com, without a user or a query.",
                hint="Check storage.endpoint, or leave it out.",
            )
        given = os.environ if environ is None else environ
        account = DriveAccount(options.access_token, options.service_account, options.subject, clock, given)
        self._client = StoreClient(f"the folder {options.folder} in Google Drive", options, clock, account.confidential)
        self._files = DriveFiles(self._client, account, base, options.folder, options.name)
        self._property = f"modelmesh-{options.name}"
        self._root = ""
        self._known: dict[str, str] = {}
        """Name → file, as the index said last. A file that is gone makes it look again."""

    async def open(self) -> None:
        """Raises StorageError for a service that ignores conditions: two processes would overwrite each other."""
        self._root = await self._found_index()
        await self._look_up("")

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            await self._client.close()

    def now(self) -> float:
        return self._client.now()

    # --- values ------------------------------------------------------------------------------------------------------

    async def load(self, key: str) -> bytes | None:
        return await self._with_file(_value(key), lambda file: self._files.content(file, f"give {key!r}"))

    async def save(self, key: str, data: bytes) -> None:
        async def replace(file: str) -> bool | None:
            return await self._files.replace(file, data, f"save {key!r}") or None

        while not await self._with_file(_value(key), replace) and not await self._made(_value(key), data):
            pass  # somebody else has made the file in the meantime

    async def list(self, prefix: str = "") -> Sequence[str]:
        start = _value("")
        names = [name.removeprefix(start) for name in await self.content(_INDEX) if name.startswith(start)]
        return sorted(name for name in names if name.startswith(prefix))

    async def delete(self, key: str) -> bool:
        last = ""

        async def remove(file: str) -> bool | None:
            nonlocal last
            last = file
            return await self._files.delete(file, f"delete {key!r}") or None

        def forget(index: dict[str, Any]) -> None:
            if index.get(_value(key)) == last:
                del index[_value(key)]

        was_there = await self._with_file(_value(key), remove)
        if last:
            # The file goes first: an entry without a file is none, but a file without an entry would be written to.
            await self.change(_INDEX, forget)
        return was_there is not None

    async def stat(self, key: str) -> StoredInfo | None:
        return await self._with_file(_value(key), lambda file: self._files.stat(file, f"look at {key!r}"))

    # --- documents ---------------------------------------------------------------------------------------------------

    def place(self, kind: str, label: str) -> str:
        return kind

    async def read_document(self, name: str) -> tuple[bytes | None, str]:
        async def read(file: str) -> tuple[bytes, str] | None:
            found = await self._files.content_and_etag(file, f"give the {name}")
            return None if found is None else (found[0], f"{file} {found[1]}")

        if name != _INDEX:
            return await self._with_file(name, read) or (None, "")
        found = await read(self._root)
        if found is None:
            raise StorageError(
                f"{self._client.place} has lost its index, the file {self._root}.",
                hint="Restore it from the trash, or begin afresh with another storage.name.",
            )
        return found

    async def swap_document(self, name: str, data: bytes, tag: str) -> bool:
        if not tag:
            return await self._made(name, data)
        file, _, etag = tag.partition(" ")
        return bool(etag and await self._files.replace_if(file, data, etag, f"change the {name}"))

    # --- names and files ---------------------------------------------------------------------------------------------

    async def _with_file(self, name: str, use: Callable[[str], Awaitable[R | None]]) -> R | None:
        """What ``use`` gives for the file of that name; None where there is none. ``use`` says None for a lost one."""
        file = self._known.get(name) or await self._look_up(name)
        while file is not None:
            found = await use(file)
            if found is not None:
                return found
            gone, file = file, await self._look_up(name)
            if file == gone:
                return None
        return None

    async def _look_up(self, name: str) -> str | None:
        self._known = await self.content(_INDEX)
        return self._known.get(name)

    async def _made(self, name: str, data: bytes) -> bool:
        """Make a file of that name, where ``_with_file`` found none; whether it is the one that counts."""
        lost, what = self._known.get(name), f"make {name!r}"
        file = await self._files.new_id()
        await self._files.create(file, name, data, what)

        def enter(index: dict[str, Any]) -> str:
            if index.get(name) in (None, lost):
                index[name] = file
            return index[name]

        chosen = await self.change(_INDEX, enter)
        self._known[name] = chosen
        if chosen != file:
            await self._files.delete(file, what)
        return chosen == file

    async def _found_index(self) -> str:
        """The index's file. It is made where there is none, by the process that may say so in the folder."""
        while True:
            folder, is_mine = await self._files.folder(), False
            root = folder.properties.get(self._property)
            if root is None:
                if await self._files.mark_folder(folder.properties, _WRONG):
                    raise self._unconditional()
                root = await self._files.new_id()
                if not await self._files.mark_folder({**folder.properties, self._property: root}, folder.etag):
                    continue
                is_mine = True
            if await self._files.content(root, "be opened") is None:
                await self._files.create(root, _INDEX, EMPTY_DOCUMENT, "be opened")
            if is_mine and await self._files.replace_if(root, EMPTY_DOCUMENT, _WRONG, "be opened"):
                raise self._unconditional()
            return root

    def _unconditional(self) -> StorageError:
        return StorageError(
            f"{self._client.place}: the service writes what it was told to write only under a condition.",
            hint="Check storage.endpoint: version 2 of the Drive API honours If-Match.",
        )


def _value(key: str) -> str:
    return f"values/{key}"


@hookimpl
def storage_connectors() -> Iterable[StorageConnector]:
    yield StorageConnector(
        id="google.drive.v1",
        create=DriveStorage,
        options=DriveOptions,
        description="Files in a folder of Google Drive, for one process or a few.",
    )
