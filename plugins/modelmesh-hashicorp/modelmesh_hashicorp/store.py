"""VaultSecretStore: the fields of entries in a key/value engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlsplit

import attrs
import orjson
from modelmesh_core import (
    Clock,
    ConnectorError,
    HttpRequest,
    HttpResponse,
    HttpSecretStore,
    ModelMeshError,
    Secret,
)

from .login import Login
from .options import VaultOptions

Fields = Mapping[str, Any]
_WRITES = 5
"""Times that an entry is read and written anew where somebody else changed it in between."""


@attrs.frozen
class _Entry:
    """What stands at one path."""

    fields: Fields = attrs.field(repr=False)
    version: int = 0
    """Of version 2: what a write has to name. 0 if there never was one."""


class VaultSecretStore(HttpSecretStore):
    """Raises ConnectorError for options that cannot work."""

    writable = True
    service = "Vault"
    refused_hint = "Check the token or login, its policy for this path, and namespace and mount."

    def __init__(
        self,
        options: VaultOptions | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options or VaultOptions()
        environ = os.environ if environ is None else environ
        ca_file = self._options.ca_file or environ.get("VAULT_CACERT") or environ.get("BAO_CACERT")
        super().__init__(attrs.evolve(self._options, ca_file=ca_file), clock)
        given = self._options.address or environ.get("VAULT_ADDR") or environ.get("BAO_ADDR")
        self._address = (given or "https://127.0.0.1:8200").rstrip("/")
        if urlsplit(self._address).scheme not in ("http", "https") or not urlsplit(self._address).hostname:
            raise ConnectorError(f"hashicorp.vault.v1: {self._address!r} is no http or https address.")
        self._namespace = self._options.namespace or environ.get("VAULT_NAMESPACE") or environ.get("BAO_NAMESPACE")
        self._mount = self._options.mount.strip("/")
        self._kv_version: int | None = self._options.kv_version
        self._login = Login(self._options, environ, self.clock, self._call)
        self._writing = asyncio.Lock()

    async def get(self, name: str) -> Secret | None:
        path, field = self._place(name)
        value = (await self._read(path, f"give {name}")).fields.get(field)
        if value is None or isinstance(value, str):
            return None if value is None else Secret(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return Secret(orjson.dumps(value).decode())
        raise ModelMeshError(f"Vault: the field {field} of {path} is no text.", hint="Store it as a string.")

    async def set(self, name: str, value: Secret) -> None:
        path, field = self._place(name)
        await self._change(path, f"set {name}", lambda fields: {**fields, field: value.reveal()})

    async def delete(self, name: str) -> bool:
        path, field = self._place(name)
        if field not in (await self._read(path, f"delete {name}")).fields:
            return False
        await self._change(
            path, f"delete {name}", lambda fields: {key: kept for key, kept in fields.items() if key != field}
        )
        return True

    async def list(self) -> Sequence[str]:
        return sorted((await self._read(self._options.path.strip("/"), "list its secrets")).fields)

    def reason(self, response: HttpResponse) -> str:
        try:
            errors: Any = orjson.loads(response.body)["errors"]
        except (ValueError, KeyError, TypeError):
            return ""
        if response.status == 503:
            return "it is sealed" if "sealed" in str(errors) else "; ".join(map(str, errors))
        return "; ".join(str(error) for error in cast(list[Any], errors)) if isinstance(errors, list) else ""

    def confidential(self) -> Iterable[Secret]:
        return self._login.confidential()

    # --- entries -----------------------------------------------------------------------------------------------------

    def _place(self, name: str) -> tuple[str, str]:
        """Path below the mount, and field. Raises ModelMeshError for a name that leaves the mount."""
        entry, _, field = name.rpartition("/")
        path = entry.strip("/") or self._options.path.strip("/")
        if not field or {".", ".."} & set(path.split("/")):
            raise ModelMeshError(f"Vault: {name!r} is no name.", hint="Write FIELD, or path/to/entry/FIELD.")
        return path, field

    async def _read(self, path: str, what: str) -> _Entry:
        response = await self._as_caller("GET", await self._data_path(path), None, what, accept=(404,))
        if response.status == 404:
            return self._missing(response)
        data: dict[str, Any] = self.object_of(response, what).get("data") or {}
        if self._kv_version == 1:
            return _Entry(data)
        metadata: dict[str, Any] = data.get("metadata") or {}
        return _Entry(data.get("data") or {}, metadata.get("version") or 0)

    def _missing(self, response: HttpResponse) -> _Entry:
        """Version 2 answers 404 for an entry whose last version was deleted, too: a write has to name that version."""
        try:
            return _Entry({}, orjson.loads(response.body)["data"]["metadata"]["version"])
        except (ValueError, KeyError, TypeError):
            return _Entry({})

    async def _change(self, path: str, what: str, change: Callable[[Fields], Fields]) -> None:
        async with self._writing:
            for _ in range(_WRITES):
                entry = await self._read(path, what)
                if await self._write(path, change(entry.fields), entry.version, what):
                    return
        raise ModelMeshError(f"Vault could not {what}: somebody else keeps changing {path}.", hint="Try again.")

    async def _write(self, path: str, fields: Fields, version: int, what: str) -> bool:
        """Whether it is written: version 2 refuses it where somebody else wrote in between."""
        target = await self._data_path(path)
        if self._kv_version == 1:
            if fields:
                await self._as_caller("POST", target, fields, what)
            else:
                await self._as_caller("DELETE", target, None, what)  # version 1 keeps no entry without a field
            return True
        body = {"options": {"cas": version}, "data": fields}
        response = await self._as_caller("POST", target, body, what, accept=(400,))
        if response.status == 400 and "check-and-set" not in self.reason(response):
            raise self.refusal(response, what)
        return response.status != 400

    async def _data_path(self, path: str) -> str:
        if self._kv_version is None:
            found = await self._as_caller("GET", f"sys/internal/ui/mounts/{self._mount}", None, "say what its mount is")
            about: dict[str, Any] = self.object_of(found, "say what its mount is").get("data") or {}
            options: dict[str, Any] = about.get("options") or {}
            self._kv_version = 2 if options.get("version") == "2" else 1
        return f"{self._mount}/{path}" if self._kv_version == 1 else f"{self._mount}/data/{path}"

    # --- calls -------------------------------------------------------------------------------------------------------

    async def _as_caller(
        self, method: str, path: str, body: Mapping[str, Any] | None, what: str, *, accept: tuple[int, ...] = ()
    ) -> HttpResponse:
        """As whoever is logged in, who logs in again once where he is refused: his token may have been revoked."""
        token = await self._login.token()
        response = await self.send(self._request(method, path, body, token), what, accept=(*accept, 403))
        if response.status == 403 and await self._login.refused(token):
            token = await self._login.token()
            response = await self.send(self._request(method, path, body, token), what, accept=(*accept, 403))
        if response.status == 403:
            raise self.refusal(response, what)
        return response

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: Secret | None, *, may_refuse: bool = False
    ) -> Mapping[str, Any] | None:
        what = "log in" if token is None else "tell about its token"
        accept = (400, 403, 404) if may_refuse else ()
        response = await self.send(self._request(method, path, body, token), what, accept=accept)
        return self.object_of(response, what) if response.status < 300 else None

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None, token: Secret | None) -> HttpRequest:
        headers = {"x-vault-request": "true"}
        if token is not None:
            headers["x-vault-token"] = token.reveal()
        if self._namespace:
            headers["x-vault-namespace"] = self._namespace
        return HttpRequest(
            method, f"{self._address}/v1/{quote(path)}", headers, orjson.dumps(body) if body is not None else None
        )
