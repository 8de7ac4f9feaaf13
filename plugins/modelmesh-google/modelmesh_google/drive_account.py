"""Who asks Google Drive: an access token as it is, or one that an account's key is exchanged for."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from modelmesh_core import (
    Clock,
    ConnectorError,
    Json,
    ProviderError,
    Secret,
    StorageError,
    StoreClient,
)

from .credentials import TokenSource, read_account

_SCOPE = "https://www.googleapis.com/auth/drive"
_PLACE = "storage.service_account"


class DriveAccount:
    """Access tokens for Drive. Raises ConnectorError for an account that cannot be used."""

    def __init__(
        self,
        token: Secret | None,
        account: Secret | None,
        subject: str | None,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        self._given = token
        self._source: TokenSource | None = None
        self._lock = asyncio.Lock()
        if token is not None:
            return
        if account is None and environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            account = Secret(environ["GOOGLE_APPLICATION_CREDENTIALS"])
        if account is None:
            raise ConnectorError(
                "google.drive.v1 has no credentials.",
                hint="Set storage.service_account or GOOGLE_APPLICATION_CREDENTIALS.",
            )
        try:
            self._source = _DriveTokens(dict(read_account(account, _PLACE)), subject, clock)
        except ValueError as error:
            raise ConnectorError(f"google.drive.v1: {error}.") from None

    @property
    def is_renewable(self) -> bool:
        return self._source is not None

    async def token(self, client: StoreClient) -> Secret:
        """A token that is good for a while. Raises StorageError where none is given."""
        if self._given is not None:
            return self._given
        async with self._lock:
            assert self._source is not None
            flow, what = self._source.token(), "log in"
            try:
                request = next(flow)
                while True:
                    request = flow.send(await client.send(request, what))
            except StopIteration as stop:
                return Secret(stop.value)
            except ProviderError as error:
                raise StorageError(
                    f"{client.place} could not {what}: {client.cleaned(error.failure.message).rstrip('.')}.",
                    hint="Check the account, that its key is still valid, and that the Drive API is enabled.",
                ) from None
            finally:
                flow.close()

    def forget(self) -> None:
        """Ask for a new token next time: this one was refused."""
        if self._source is not None:
            self._source.forget()

    def confidential(self) -> Iterable[Secret]:
        """What must not be shown."""
        own = [Secret(text) for text in self._source.secrets() if text] if self._source is not None else []
        return [*own, *([self._given] if self._given else [])]


class _DriveTokens(TokenSource):
    """Tokens for Drive, which those for Google Cloud do not open."""

    def __init__(self, account: Json, subject: str | None, clock: Clock) -> None:
        super().__init__(account, clock, _PLACE)
        self._subject = subject

    def _assertion(self, signer: Any) -> str:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        now, email = int(self._clock.now()), self._account["client_email"]
        head: Json = {"alg": "RS256", "typ": "JWT"}
        if self._account.get("private_key_id"):
            head["kid"] = self._account["private_key_id"]
        claims = {"iss": email, "sub": self._subject or email, "scope": _SCOPE, "aud": self._uri}
        signed = f"{_encoded(orjson.dumps(head))}.{_encoded(orjson.dumps({**claims, 'iat': now, 'exp': now + 3600}))}"
        return f"{signed}.{_encoded(signer.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
