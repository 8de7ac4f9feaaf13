"""The calls of the Drive API that a storage needs.

Version 3 makes, reads and deletes files. Version 2, which stays beside it, is asked where something has to be replaced
only if it is as it was read: it alone gives an ``etag`` and honours ``If-Match``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote, urlencode

import attrs
import orjson
from modelmesh_core import (
    PASSING_STATUSES,
    HttpRequest,
    HttpResponse,
    NoAnswerError,
    StorageError,
    StoreClient,
    StoredInfo,
)

from .drive_account import DriveAccount

_TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_MARK = re.compile(rb"modelmesh 1 sha256=([0-9a-f]{64})\n")
_MARK_SIZE = 84
_BINARY = "application/octet-stream"


def is_passing(response: HttpResponse) -> bool:
    """Whether the same request may be answered better in a moment."""
    return response.status in PASSING_STATUSES or (response.status == 403 and reason_of(response)[0] in _TOO_FAST)


def reason_of(response: HttpResponse) -> tuple[str, str]:
    """Drive's name for an error, and its words."""
    try:
        error: Any = orjson.loads(response.body)["error"]
        details = cast("Sequence[Mapping[str, Any]]", error.get("errors") or [{}])
        return str(details[0].get("reason") or error.get("status") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "", ""


@attrs.frozen
class Folder:
    """What is of use in the folder's metadata: its properties are those that every application sees."""

    etag: str
    properties: Mapping[str, str]


class DriveFiles:
    """Files in one folder. Content carries its SHA-256 in its first line; a missing file is None or False."""

    def __init__(self, client: StoreClient, account: DriveAccount, base: str, folder: str, tag: str) -> None:
        self._client, self._account, self._base, self._folder, self._tag = client, account, base, folder, tag

    # --- content -----------------------------------------------------------------------------------------------------

    async def content(self, file: str, what: str) -> bytes | None:
        """Raises StorageError for content that does not match its checksum."""
        response = await self._ask("GET", f"/drive/v3/files/{_part(file)}", what, {"alt": "media"}, accept=(404,))
        return None if response.status == 404 else self._unmarked(response.body, what)

    async def content_and_etag(self, file: str, what: str) -> tuple[bytes, str] | None:
        """Content, and the etag that the file had when that was its content; empty where nobody can tell."""
        path, query = f"/drive/v2/files/{_part(file)}", {"fields": "etag,md5Checksum"}
        response = await self._ask("GET", path, what, query, accept=(404,))
        if response.status == 404:
            return None
        found = self._object(response, what)
        media = await self._ask("GET", f"/drive/v3/files/{_part(file)}", what, {"alt": "media"}, accept=(404,))
        if media.status == 404:
            return None
        # Somebody may have replaced it between the two, or the second may come from a copy that lags behind.
        is_the_same = hashlib.md5(media.body, usedforsecurity=False).hexdigest() == found.get("md5Checksum")
        return self._unmarked(media.body, what), str(found.get("etag") or "") if is_the_same else ""

    async def replace(self, file: str, data: bytes, what: str) -> bool:
        """Set the content; False if there is no such file."""
        path, query = f"/upload/drive/v3/files/{_part(file)}", {"uploadType": "media", "fields": "id"}
        response = await self._ask("PATCH", path, what, query, body=_marked(data), accept=(404,))
        return response.status != 404

    async def replace_if(self, file: str, data: bytes, etag: str, what: str) -> bool | None:
        """Set the content if the etag is still that; None if there is no such file. False also if nobody knows."""
        path, query = f"/upload/drive/v2/files/{_part(file)}", {"uploadType": "media", "fields": "etag"}
        headers = {"if-match": etag}
        try:
            response = await self._ask(
                "PUT", path, what, query, body=_marked(data), headers=headers, accept=(404, 412), is_once=True
            )
        except NoAnswerError:
            return False
        if response.status == 404:
            return None
        return 200 <= response.status < 300

    async def create(self, file: str, name: str, data: bytes, what: str) -> None:
        """Make the file with the id ``file``, if there is none: it is made once, however often this is tried."""
        about = {"id": file, "name": name, "parents": [self._folder], "mimeType": _BINARY}
        about |= {"properties": {"modelmesh": self._tag}}
        boundary, content = f"modelmesh-{hashlib.sha256(data).hexdigest()}", _marked(data)
        head = f"--{boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n".encode() + orjson.dumps(about)
        middle = f"\r\n--{boundary}\r\ncontent-type: {_BINARY}\r\n\r\n".encode()
        body = head + middle + content + f"\r\n--{boundary}--\r\n".encode()
        query = {"uploadType": "multipart", "fields": "id"}
        headers = {"content-type": f"multipart/related; boundary={boundary}"}
        # 409: it has been made, by an earlier try whose answer was lost or by whoever knows the id as well.
        await self._ask("POST", "/upload/drive/v3/files", what, query, body=body, headers=headers, accept=(409,))

    async def delete(self, file: str, what: str) -> bool:
        response = await self._ask("DELETE", f"/drive/v3/files/{_part(file)}", what, accept=(404,))
        return response.status != 404

    # --- metadata ----------------------------------------------------------------------------------------------------

    async def stat(self, file: str, what: str) -> StoredInfo | None:
        query = {"fields": "size,modifiedTime"}
        response = await self._ask("GET", f"/drive/v3/files/{_part(file)}", what, query, accept=(404,))
        if response.status == 404:
            return None
        found = self._object(response, what)
        try:
            modified_at = datetime.fromisoformat(found["modifiedTime"]).timestamp()
            return StoredInfo(int(found["size"]) - _MARK_SIZE, modified_at)
        except (KeyError, ValueError, TypeError):
            raise self._client.refusal(response, what, "no size or no time") from None

    async def new_id(self) -> str:
        """An id that nobody else is given."""
        what = "give an id"
        response = await self._ask("GET", "/drive/v3/files/generateIds", what, {"count": "1", "space": "drive"})
        try:
            return str(self._object(response, what)["ids"][0])
        except (KeyError, IndexError, TypeError):
            raise self._client.refusal(response, what, "the answer holds no id") from None

    async def folder(self) -> Folder:
        what, query = "be opened", {"fields": "etag,mimeType,properties"}
        response = await self._ask("GET", f"/drive/v2/files/{_part(self._folder)}", what, query)
        found = self._object(response, what)
        if found.get("mimeType") != "application/vnd.google-apps.folder":
            raise StorageError(f"{self._client.place} is no folder.", hint="Check storage.folder.")
        rows = cast("Sequence[Mapping[str, Any]]", found.get("properties") or [])
        own = {str(row["key"]): str(row["value"]) for row in rows if row.get("visibility") == "PUBLIC"}
        return Folder(str(found.get("etag") or ""), own)

    async def mark_folder(self, properties: Mapping[str, str], etag: str) -> bool:
        """Set the folder's properties if its etag is still that."""
        rows = [{"key": key, "value": value, "visibility": "PUBLIC"} for key, value in properties.items()]
        body, headers = orjson.dumps({"properties": rows}), {"if-match": etag, "content-type": "application/json"}
        path, query = f"/drive/v2/files/{_part(self._folder)}", {"fields": "etag"}
        response = await self._ask("PATCH", path, "be opened", query, body=body, headers=headers, accept=(412,))
        return response.status != 412

    # --- calls -------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        method: str,
        path: str,
        what: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
        is_once: bool = False,
    ) -> HttpResponse:
        """The response, if it is a success, its status is in ``accept``, or ``is_once`` and it is passing."""
        url = f"{self._base}{path}?{urlencode({**(query or {}), 'supportsAllDrives': 'true'})}"
        for last in (not self._account.is_renewable, True):
            token = await self._account.token(self._client)
            sent = {"authorization": f"Bearer {token.reveal()}", "content-type": _BINARY, **(headers or {})}
            if body is None:
                del sent["content-type"]
            request = HttpRequest(method, url, sent, body)
            response = await self._client.send(request, what, tries=1 if is_once else 3, passing=is_passing)
            if response.status != 401 or last:
                break
            self._account.forget()
        if 200 <= response.status < 300 or response.status in accept or (is_once and is_passing(response)):
            return response
        raise self._refusal(response, what)

    def _refusal(self, response: HttpResponse, what: str) -> StorageError:
        reason, message = reason_of(response)
        hint = "Check the account, and that the folder is shared with it so that it may edit."
        if reason == "storageQuotaExceeded":
            hint = "A service account has no space of its own: use a folder of a shared drive, or set storage.subject."
        elif is_passing(response):
            hint = "Drive is no storage for many processes: see Redis or PostgreSQL."
        told = f"{reason}: {message}" if reason and message else reason or message
        return self._client.refusal(response, what, told, hint if response.status in (401, 403, 404, 429) else None)

    def _object(self, response: HttpResponse, what: str) -> dict[str, Any]:
        try:
            found: Any = orjson.loads(response.body)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
        raise self._client.refusal(response, what, "the answer is no JSON object")

    def _unmarked(self, content: bytes, what: str) -> bytes:
        head, data = content[:_MARK_SIZE], content[_MARK_SIZE:]
        mark = _MARK.fullmatch(head)
        if mark is None or mark[1].decode() != hashlib.sha256(data).hexdigest():
            raise StorageError(
                f"{self._client.place} could not {what}: the content does not match its checksum.",
                hint="Restore it from a backup, or delete it to begin afresh.",
            )
        return data


def _marked(data: bytes) -> bytes:
    return b"modelmesh 1 sha256=" + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def _part(text: str) -> str:
    return quote(text, safe="")
