"""ConnectSecretStore: the fields of items in one vault."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

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

from .options import ConnectOptions

_ID = re.compile(r"[a-z0-9]{26}")
Item = Mapping[str, Any]


class ConnectSecretStore(HttpSecretStore):
    """Raises ConnectorError for options that cannot work."""

    writable = True
    service = "1Password Connect"
    refused_hint = "Check connect_token, and that it may use this vault (and write it, for set and delete)."

    def __init__(
        self,
        options: ConnectOptions | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options or ConnectOptions()
        super().__init__(self._options, clock)
        environ = os.environ if environ is None else environ
        self._host = (self._options.connect_host or environ.get("OP_CONNECT_HOST") or "").rstrip("/")
        parts = urlsplit(self._host)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConnectorError(
                f"1password.connect.v1 needs the address of a Connect server, and found {self._host!r}.",
                hint="Set secrets.connect_host or OP_CONNECT_HOST to https://HOST:PORT.",
            )
        given = environ.get("OP_CONNECT_TOKEN")
        token = self._options.connect_token or (Secret(given) if given else None)
        if token is None:
            raise ConnectorError(
                "1password.connect.v1 has no token.", hint="Set OP_CONNECT_TOKEN, or secrets.connect_token."
            )
        self._token = token
        self._vault: str | None = None

    async def get(self, name: str) -> Secret | None:
        title, label = _parts(name)
        item = await self._item(title, f"give {name}")
        field = self._field(item, label) if item is not None else None
        value = field.get("value") if field is not None else None
        return Secret(value) if isinstance(value, str) and value else None

    async def set(self, name: str, value: Secret) -> None:
        title, label = _parts(name)
        what = f"set {name}"
        item = await self._item(title, what)
        if item is None:
            fields = [_new_field(label or self._options.field, value)]
            body = {"vault": {"id": self._vault}, "title": title, "category": "API_CREDENTIAL", "fields": fields}
            await self._ask("POST", f"vaults/{self._vault}/items", what, body)
            return
        field = self._field(item, label)
        if field is not None:
            change = {"op": "replace", "path": f"/fields/{field['id']}/value", "value": value.reveal()}
        else:
            change = {"op": "add", "path": "/fields", "value": _new_field(label or self._options.field, value)}
        await self._ask("PATCH", f"vaults/{self._vault}/items/{item['id']}", what, [change])

    async def delete(self, name: str) -> bool:
        """A name without a field deletes the item; one with a field takes that field out."""
        title, label = _parts(name)
        what = f"delete {name}"
        item = await self._item(title, what)
        if item is None:
            return False
        path = f"vaults/{self._vault}/items/{item['id']}"
        if label is None:
            return (await self._ask("DELETE", path, what, accept=(404,))).status != 404
        field = self._field(item, label)
        if field is None:
            return False
        await self._ask("PATCH", path, what, [{"op": "remove", "path": f"/fields/{field['id']}"}])
        return True

    async def list(self) -> Sequence[str]:
        """The titles of the vault's items."""
        what = "list its items"
        vault = await self._vault_id()
        return sorted({str(row["title"]) for row in self._rows(await self._ask("GET", f"vaults/{vault}/items", what))})

    def confidential(self) -> Iterable[Secret]:
        return (self._token,)

    # --- vaults, items, fields ---------------------------------------------------------------------------------------

    async def _vault_id(self) -> str:
        if self._vault is None:
            wanted = self._options.vault
            if wanted is not None and _ID.fullmatch(wanted):
                self._vault = wanted
                return wanted
            query = _named("name", wanted) if wanted is not None else ""
            rows = self._rows(await self._ask("GET", f"vaults{query}", "find its vault"))
            if len(rows) != 1:
                found = f"{len(rows)} vaults" + (f" named {wanted!r}" if wanted is not None else "")
                raise ModelMeshError(
                    f"1Password Connect: its token can see {found}, and one is needed.",
                    hint="Set secrets.vault to the id of one, or give the token access to it.",
                )
            self._vault = str(rows[0]["id"])
        return self._vault

    async def _item(self, title: str, what: str) -> Item | None:
        """The item with all its fields. Raises ModelMeshError if there are several of that title."""
        path = f"vaults/{await self._vault_id()}/items"
        rows = self._rows(await self._ask("GET", path + _named("title", title), what))
        rows = [row for row in rows if row.get("title") == title]
        if not rows:
            return None
        if len(rows) > 1:
            raise ModelMeshError(
                f"1Password Connect could not {what}: {len(rows)} items have the title {title!r}.",
                hint="Give each another title.",
            )
        response = await self._ask("GET", f"{path}/{quote(str(rows[0]['id']), safe='')}", what, accept=(404,))
        return None if response.status == 404 else self.object_of(response, what)

    def _field(self, item: Item, label: str | None) -> Item | None:
        fields = cast(list[Item], item.get("fields") or [])
        wanted = self._options.field if label is None else label
        found = [field for field in fields if wanted in (field.get("label"), field.get("id"))]
        if not found and label is None:
            found = [field for field in fields if field.get("purpose") == "PASSWORD"]
        return found[0] if found else None

    # --- calls -------------------------------------------------------------------------------------------------------

    async def _ask(
        self, method: str, path: str, what: str, body: Any = None, accept: Iterable[int] = ()
    ) -> HttpResponse:
        headers = {"authorization": f"Bearer {self._token.reveal()}", "content-type": "application/json"}
        content = orjson.dumps(body) if body is not None else None
        return await self.send(HttpRequest(method, f"{self._host}/v1/{path}", headers, content), what, accept=[*accept])

    def _rows(self, response: HttpResponse) -> list[dict[str, Any]]:
        try:
            found: Any = orjson.loads(response.body)
        except ValueError:
            found = None
        if not isinstance(found, list):
            raise ModelMeshError(
                "1Password Connect answered without a list.",
                hint="Check connect_host: something else may answer there.",
            )
        return cast(list[dict[str, Any]], found)


def _parts(name: str) -> tuple[str, str | None]:
    """Title and field of ``item/field``, or the title alone."""
    title, slash, label = name.rpartition("/")
    return (title, label) if slash and title and label else (name, None)


def _named(key: str, value: str) -> str:
    """The query for what has this value, in the filter language of SCIM."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return "?" + urlencode({"filter": f'{key} eq "{escaped}"'}, quote_via=quote)


def _new_field(label: str, value: Secret) -> dict[str, str]:
    return {"type": "CONCEALED", "label": label, "value": value.reveal()}
