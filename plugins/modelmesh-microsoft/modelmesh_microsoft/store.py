"""KeyVaultSecretStore: the secrets of one vault.

Key Vault's names are letters, digits and hyphens, and their case does not count. So ``_`` is written as ``-`` there,
and comes back as ``_``: ``OPENAI_API_KEY`` is the vault's ``OPENAI-API-KEY``.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

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

from .login import login_of
from .options import KeyVaultOptions

_VERSION = "7.4"
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_SHORT_NAME = re.compile(r"[A-Za-z0-9-]{3,24}")
_EARLY = 120.0
"""Seconds before its end at which a token is replaced."""
_LIFETIME = 3600
_RECOVERY_TRIES = 10


class KeyVaultSecretStore(HttpSecretStore):
    """Raises ConnectorError for options that cannot work."""

    writable = True
    service = "Azure Key Vault"
    refused_hint = (
        "Check the login, and that it may read this vault's secrets (role Key Vault Secrets User or Officer)."
    )

    def __init__(
        self,
        options: KeyVaultOptions | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        options = options or KeyVaultOptions()
        super().__init__(options, clock)
        environ = os.environ if environ is None else environ
        self._vault = _vault_url(options.vault_url or environ.get("AZURE_KEYVAULT_URL") or "")
        self._login = login_of(options, urlsplit(self._vault).hostname or "", environ)
        self._token = self._login.given
        self._until = float("inf") if self._token else 0.0
        self._lock = asyncio.Lock()

    async def get(self, name: str) -> Secret | None:
        own = _own_name(name)
        if own is None:
            return None
        response = await self._ask("GET", f"secrets/{own}", f"give {name}", accept=(404,))
        if response.status == 404:
            return None
        value = self.object_of(response, f"give {name}").get("value")
        return Secret(value) if isinstance(value, str) else None

    async def set(self, name: str, value: Secret) -> None:
        own, what = _own_name(name), f"set {name}"
        if own is None:
            raise ModelMeshError(
                f"Azure Key Vault cannot hold a secret named {name!r}.",
                hint="Names are letters, digits, _ (kept as -) and at most 127 of them.",
            )
        response = await self._ask("PUT", f"secrets/{own}", what, {"value": value.reveal()}, accept=(409,))
        if response.status == 409:
            await self._recovered(own, what)
            await self._ask("PUT", f"secrets/{own}", what, {"value": value.reveal()})

    async def delete(self, name: str) -> bool:
        own = _own_name(name)
        if own is None:
            return False
        response = await self._ask("DELETE", f"secrets/{own}", f"delete {name}", accept=(404,))
        return response.status != 404

    async def list(self) -> Sequence[str]:
        names: list[str] = []
        address: str | None = f"{self._vault}/secrets?api-version={_VERSION}&maxresults=25"
        while address:
            page = self.object_of(await self._ask_at("GET", address, "list its secrets"), "list its secrets")
            for row in cast(list[dict[str, Any]], page.get("value") or []):
                names.append(str(row["id"]).rstrip("/").rpartition("/")[2].replace("-", "_"))
            address = self._next(page.get("nextLink"))
        return sorted(names)

    def confidential(self) -> Iterable[Secret]:
        return (*self._login.secrets, *([self._token] if self._token else []))

    # --- calls -------------------------------------------------------------------------------------------------------

    async def _recovered(self, own: str, what: str) -> None:
        """A deleted secret keeps its name for a while: it has to be had back before it can be set."""
        response = await self._ask("POST", f"deletedsecrets/{own}/recover", what, accept=(404, 409))
        for pause in range(_RECOVERY_TRIES):
            if response.status not in (404, 409):
                found = await self._ask("GET", f"secrets/{own}", what, accept=(404, 409))
                if found.status not in (404, 409):
                    return
            await self.clock.sleep(0.5 * (pause + 1))
            if response.status in (404, 409):
                response = await self._ask("POST", f"deletedsecrets/{own}/recover", what, accept=(404, 409))
        raise ModelMeshError(
            f"Azure Key Vault could not {what}: a deleted secret of that name is still being removed or had back.",
            hint="Try again in a minute.",
        )

    def _next(self, link: Any) -> str | None:
        """The next page, which the token is only sent to where it is this vault's."""
        if not isinstance(link, str) or not link:
            return None
        if not link.startswith(f"{self._vault}/"):
            raise ModelMeshError("Azure Key Vault's list of secrets goes on at another host, which is not asked.")
        return link

    async def _ask(
        self, method: str, path: str, what: str, body: Mapping[str, str] | None = None, *, accept: tuple[int, ...] = ()
    ) -> HttpResponse:
        return await self._ask_at(method, f"{self._vault}/{path}?api-version={_VERSION}", what, body, accept)

    async def _ask_at(
        self,
        method: str,
        url: str,
        what: str,
        body: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> HttpResponse:
        content = orjson.dumps(body) if body is not None else None
        token = await self._present_token()
        for last in (self._login.request is None, True):
            headers = {"authorization": f"Bearer {token.reveal()}", "content-type": "application/json"}
            request = HttpRequest(method, url, headers, content)
            response = await self.send(request, what, accept=(*accept, 401))
            if response.status != 401:
                return response
            if last:
                break
            self._until = 0.0  # revoked, or the clock is wrong: a new token settles it
            token = await self._present_token()
        raise self.refusal(response, what)

    async def _present_token(self) -> Secret:
        async with self._lock:
            if self._token is not None and self.clock.now() < self._until - _EARLY:
                return self._token
            assert self._login.request is not None, "a token that is given never ends here"
            what = f"log in by {self._login.method}"
            answer = self.object_of(await self.send(self._login.request(), what), what)
            token = answer.get("access_token")
            if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
                raise ModelMeshError(f"Azure Key Vault could not {what}: the answer holds no access token.")
            try:
                seconds = float(answer.get("expires_in") or _LIFETIME)
            except (TypeError, ValueError):
                seconds = _LIFETIME
            self._token, self._until = Secret(token), self.clock.now() + seconds
            return self._token


def _own_name(name: str) -> str | None:
    """``name`` as the vault has it; None if it can have no such name."""
    own = name.replace("_", "-")
    return own if _NAME.fullmatch(own) else None


def _vault_url(given: str) -> str:
    text = given.strip().rstrip("/")
    if _SHORT_NAME.fullmatch(text):
        return f"https://{text}.vault.azure.net"
    parts = urlsplit(text)
    if parts.scheme in ("http", "https") and parts.hostname and not parts.query and "@" not in parts.netloc:
        return text
    raise ConnectorError(
        f"microsoft.key-vault.v1 needs vault_url, and found {text!r}."
        if text
        else "microsoft.key-vault.v1 needs vault_url.",
        hint="Write https://NAME.vault.azure.net, or the NAME alone.",
    )
