"""``google.secret-manager.v1``: secrets in Google Secret Manager."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import attrs
import orjson
from modelmesh_core import (
    Clock,
    ConnectorError,
    HttpRequest,
    HttpResponse,
    HttpSecretStore,
    HttpStoreOptions,
    ModelMeshError,
    ProviderError,
    Secret,
    SecretStoreConnector,
    hookimpl,
)

from .credentials import TokenSource, read_account

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PAGE = 250
_EARLY = 120.0
"""Seconds before its end at which a token is replaced."""
_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


@attrs.frozen
class SecretManagerOptions(HttpStoreOptions):
    """Options of ``google.secret-manager.v1``."""

    project: str | None = None
    """Id or number. Default: ``GOOGLE_CLOUD_PROJECT``, or the service account's own."""
    location: str | None = None
    """For regional secrets, such as ``europe-west4``. Left out: global ones."""
    prefix: str = ""
    """Stands before every name in Secret Manager, for example ``modelmesh-``."""
    service_account: Secret | None = None
    """The JSON of a service account or an authorized user, or the path of its file. Default:
    ``GOOGLE_APPLICATION_CREDENTIALS``, the file of ``gcloud auth application-default login``, or the machine's own."""
    access_token: Secret | None = None
    """A token as it is. It is not replaced when it ends."""
    endpoint: str | None = None
    """In the place of Google's own address."""


class SecretManagerStore(HttpSecretStore):
    """The newest version of a secret is its value; setting one adds a version.

    Raises ConnectorError for options that cannot work.
    """

    writable = True
    service = "Google Secret Manager"
    refused_hint = (
        "Check the account, and that it may do this in the project (role Secret Manager Secret Accessor or Admin)."
    )

    def __init__(
        self,
        options: SecretManagerOptions | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options or SecretManagerOptions()
        super().__init__(self._options, clock)
        environ = os.environ if environ is None else environ
        self._token, self._until = self._options.access_token, float("inf")
        self._lock = asyncio.Lock()
        account: Mapping[str, Any] = {}
        self._source: TokenSource | None = None
        if self._token is None:
            account = _account(self._options, environ)
            self._until = 0.0
        if account:
            try:
                self._source = TokenSource(dict(account), self.clock, "secrets.service_account")
            except ValueError as error:
                raise ConnectorError(f"google.secret-manager.v1: {error}.") from None
        metadata = environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        self._metadata = f"http://{metadata}{_TOKEN_PATH}"
        named = (self._options.project, environ.get("GOOGLE_CLOUD_PROJECT"), account.get("project_id"))
        project = next((str(name) for name in named if name), None)
        if project is None:
            raise ConnectorError(
                "google.secret-manager.v1 needs a project.", hint="Set secrets.project or GOOGLE_CLOUD_PROJECT."
            )
        location = self._options.location
        host = f"secretmanager.{location}.rep.googleapis.com" if location else "secretmanager.googleapis.com"
        parent = f"projects/{quote(project, safe='')}" + (f"/locations/{quote(location, safe='')}" if location else "")
        self._url = f"{(self._options.endpoint or f'https://{host}').rstrip('/')}/v1/{parent}/secrets"

    async def get(self, name: str) -> Secret | None:
        if not self._fits(name):
            return None
        what = f"give {name}"
        response = await self._ask("GET", f"/{self._id(name)}/versions/latest:access", what, accept=(404,))
        if response.status == 404:
            return None
        payload: Any = self.object_of(response, what).get("payload") or {}
        try:
            return Secret(base64.b64decode(payload.get("data") or "", validate=True).decode())
        except (TypeError, ValueError, binascii.Error):
            raise ModelMeshError(
                f"{self.service}: the value of {name} is no text.", hint="Store it as UTF-8."
            ) from None

    async def set(self, name: str, value: Secret) -> None:
        if not self._fits(name):
            raise ModelMeshError(
                f"{self.service} cannot hold a secret named {name!r}.",
                hint="Names are letters, digits, _ and -, at most 255 of them, the prefix included.",
            )
        what, path = f"set {name}", f"/{self._id(name)}:addVersion"
        version = {"payload": {"data": base64.b64encode(value.reveal().encode()).decode()}}
        response = await self._ask("POST", path, what, version, accept=(404,))
        if response.status == 404:
            kind: dict[str, Any] = {} if self._options.location else {"replication": {"automatic": {}}}
            # 409: somebody else made it at the same moment, which is as well
            await self._ask("POST", f"?{urlencode({'secretId': self._id(name)})}", what, kind, accept=(409,))
            await self._ask("POST", path, what, version)

    async def delete(self, name: str) -> bool:
        if not self._fits(name):
            return False
        response = await self._ask("DELETE", f"/{self._id(name)}", f"delete {name}", accept=(404,))
        return response.status != 404

    async def list(self) -> Sequence[str]:
        prefix, names, page = self._options.prefix, list[str](), ""
        while True:
            query = {"pageSize": str(_PAGE), **({"pageToken": page} if page else {})}
            answer = self.object_of(
                await self._ask("GET", f"?{urlencode(query)}", "list its secrets"), "list its secrets"
            )
            for row in cast(list[dict[str, Any]], answer.get("secrets") or []):
                own = str(row["name"]).rpartition("/")[2]
                if own.startswith(prefix):
                    names.append(own.removeprefix(prefix))
            page = answer.get("nextPageToken") or ""
            if not page:
                return sorted(names)

    def confidential(self) -> Iterable[Secret]:
        own = [Secret(text) for text in self._source.secrets()] if self._source is not None else []
        return [*own, *([self._token] if self._token else [])]

    # --- calls -------------------------------------------------------------------------------------------------------

    def _fits(self, name: str) -> bool:
        return _NAME.fullmatch(self._id(name)) is not None

    def _id(self, name: str) -> str:
        return self._options.prefix + name

    async def _ask(
        self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None, *, accept: tuple[int, ...] = ()
    ) -> HttpResponse:
        content = orjson.dumps(body) if body is not None else None
        token = await self._present_token()
        for last in (self._options.access_token is not None, True):
            headers = {"authorization": f"Bearer {token.reveal()}", "content-type": "application/json"}
            request = HttpRequest(method, self._url + path, headers, content)
            response = await self.send(request, what, accept=(*accept, 401))
            if response.status != 401:
                return response
            if last:
                break
            self._forget_token()
            token = await self._present_token()
        raise self.refusal(response, what)

    def _forget_token(self) -> None:
        self._until = 0.0
        if self._source is not None:
            self._source.forget()

    async def _present_token(self) -> Secret:
        async with self._lock:
            if self._source is not None:
                try:
                    return Secret(await self.run(self._source.token(), "log in"))
                except ProviderError as error:
                    raise ModelMeshError(
                        f"{self.service} could not log in: {self.cleaned(error.failure.message)}.",
                        hint="Check the service account, and that its key is still valid.",
                    ) from None
            if self._token is None or self.clock.now() >= self._until - _EARLY:
                what = "log in as this machine"
                response = await self.send(HttpRequest("GET", self._metadata, {"metadata-flavor": "Google"}), what)
                answer = self.object_of(response, what)
                if not isinstance(answer.get("access_token"), str):
                    raise ModelMeshError(f"{self.service} could not {what}: the answer holds no access token.")
                self._token = Secret(answer["access_token"])
                self._until = self.clock.now() + float(answer.get("expires_in") or 0)
            return self._token


def _account(options: SecretManagerOptions, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """The JSON of an account; empty where there is none, so that the machine's own is used."""
    given = options.service_account
    if given is None and environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        given = Secret(environ["GOOGLE_APPLICATION_CREDENTIALS"])
    if given is None:
        home = environ.get("CLOUDSDK_CONFIG") or (f"{environ['HOME']}/.config/gcloud" if environ.get("HOME") else "")
        file = Path(home) / "application_default_credentials.json"
        if not home or not file.is_file():
            return {}
        given = Secret(str(file))
    try:
        return read_account(given, "secrets.service_account")
    except ValueError as error:
        raise ConnectorError(f"google.secret-manager.v1: {error}.") from None


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="google.secret-manager.v1",
        create=SecretManagerStore,
        options=SecretManagerOptions,
        description="Google Secret Manager.",
    )
