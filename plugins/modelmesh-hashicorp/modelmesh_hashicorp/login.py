"""Who asks Vault: a token that is given, or one that a login gives; kept alive while it can be."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
from modelmesh_core import Clock, ConnectorError, ModelMeshError, Secret

from .options import VaultOptions

_RENEW_AT = 2 / 3
"""Of a token's life that has passed when it is renewed."""


class Call(Protocol):
    """Asks the server, and gives the JSON of its answer; None for 403 or 404 where that is allowed."""

    async def __call__(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: Secret | None, *, may_refuse: bool = False
    ) -> Mapping[str, Any] | None: ...


@attrs.define
class _Token:
    value: Secret
    ends: float | None
    """On the monotonic clock; None if it lives for ever, or nobody knows."""
    renew_at: float | None
    is_renewable: bool


class Login:
    """Gives tokens that are good now. Raises ConnectorError for options by which nobody could log in."""

    def __init__(self, options: VaultOptions, environ: Mapping[str, str], clock: Clock, call: Call) -> None:
        self._options = options
        self._environ = environ
        self._clock = clock
        self._call = call
        self._token: _Token | None = None
        self._lock = asyncio.Lock()
        self._role_id = options.role_id or environ.get("VAULT_ROLE_ID")
        given = environ.get("VAULT_SECRET_ID")
        self._secret_id = options.secret_id or (Secret(given) if given else None)
        self.method = options.auth or ("approle" if self._role_id else "kubernetes" if options.role else "token")
        self._check()

    async def token(self) -> Secret:
        """A token, renewed or fetched anew where its time is up. Raises ModelMeshError where none is given."""
        async with self._lock:
            token, now = self._token, self._clock.monotonic()
            if token is not None and token.renew_at is not None and now >= token.renew_at:
                token = await self._renewed(token)
            if token is None:
                token = await self._fetched()
            self._token = token
            return token.value

    async def refused(self, value: Secret) -> bool:
        """``value`` was refused. Whether it makes sense to ask again: a login gives another one."""
        async with self._lock:
            if self._token is not None and self._token.value == value:
                self._token = None
        return self.method != "token" or self._given() != value

    def confidential(self) -> list[Secret]:
        found = [self._token.value] if self._token is not None else []
        return [*found, *(secret for secret in (self._options.token, self._secret_id) if secret)]

    async def _fetched(self) -> _Token:
        if self.method == "token":
            given = self._given()
            assert given is not None, "checked when the store was made, and a file that is gone since is empty"
            looked = await self._call("GET", "auth/token/lookup-self", None, given, may_refuse=True)
            about: Mapping[str, Any] = (looked or {}).get("data") or {}
            return self._new(given, about.get("ttl"), about.get("renewable"))
        mount = self._options.auth_mount or self.method
        answer = await self._call("POST", f"auth/{mount.strip('/')}/login", self._claim(), None)
        return self._of(answer)

    async def _renewed(self, token: _Token) -> _Token | None:
        """The token with more time; None if it cannot have any, so that another one is needed."""
        is_over = token.ends is not None and self._clock.monotonic() >= token.ends
        if token.is_renewable and not is_over:
            answer = await self._call("POST", "auth/token/renew-self", {}, token.value, may_refuse=True)
            if answer is not None:
                return self._of(answer)
        if self.method == "token" and not is_over:
            return attrs.evolve(token, renew_at=token.ends)  # it is all there is: it serves to its end
        return None

    def _of(self, answer: Mapping[str, Any] | None) -> _Token:
        auth: Mapping[str, Any] = (answer or {}).get("auth") or {}
        value = auth.get("client_token")
        if not isinstance(value, str) or not value:
            raise ModelMeshError(
                "Vault answered a login without a token.", hint="Check auth_mount: it may be something else's."
            )
        return self._new(Secret(value), auth.get("lease_duration"), auth.get("renewable"))

    def _new(self, value: Secret, seconds: Any, renewable: Any) -> _Token:
        now = self._clock.monotonic()
        if not isinstance(seconds, (int, float)) or seconds <= 0:
            return _Token(value, None, None, False)
        return _Token(value, now + seconds, now + seconds * _RENEW_AT, renewable is True)

    def _claim(self) -> dict[str, str]:
        if self.method == "approle":
            assert self._role_id is not None
            claim = {"role_id": self._role_id}
            return {**claim, "secret_id": self._secret_id.reveal()} if self._secret_id else claim
        file = Path(self._options.service_account_file)
        try:
            jwt = file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ModelMeshError(
                f"Vault: the service account's token cannot be read from {file}: {reason}.",
                hint="Set service_account_file, or another auth.",
            ) from None
        return {"role": self._options.role or "", "jwt": jwt}

    def _given(self) -> Secret | None:
        if self._options.token:
            return self._options.token
        found = self._environ.get("VAULT_TOKEN") or self._environ.get("BAO_TOKEN")
        if not found:
            home = self._environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  (may be no directory)
            try:
                found = (Path(home) / ".vault-token").read_text("utf-8").strip()
            except (OSError, ValueError):
                found = ""
        return Secret(found) if found else None

    def _check(self) -> None:
        missing = None
        if self.method == "token" and self._given() is None:
            missing = "token (or VAULT_TOKEN), role_id or role"
        elif self.method == "approle" and not self._role_id:
            missing = "role_id"
        elif self.method == "kubernetes" and not self._options.role:
            missing = "role"
        if missing is not None:
            raise ConnectorError(
                f"hashicorp.vault.v1 does not know who it is: it has no {missing}.", hint="Set it under secrets."
            )
