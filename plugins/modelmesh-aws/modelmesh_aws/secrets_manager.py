"""``aws.secrets-manager.v1``: secrets in AWS Secrets Manager."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

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
    Secret,
    SecretStoreConnector,
    hookimpl,
)

from .identity import credentials_in, domain_of, read_profile
from .signing import Credentials, signed_headers

_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]+)+")
_MISSING = "ResourceNotFoundException"
_AWAITS_DELETION = "InvalidRequestException"


def _check_recovery(options: Any, field: Any, days: int) -> None:
    if days != 0 and not 7 <= days <= 30:
        raise ValueError("expected 7 to 30 days, or 0 to delete for good at once")


@attrs.frozen
class SecretsManagerOptions(HttpStoreOptions):
    """Options of ``aws.secrets-manager.v1``."""

    region: str | None = None
    """For example ``eu-central-1``. Default: ``AWS_REGION``, ``AWS_DEFAULT_REGION``, or the profile's."""
    access_key_id: Secret | None = None
    """With ``secret_access_key``. Default: ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, or the profile's."""
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    """Of temporary credentials."""
    profile: str | None = None
    """Of the files ``~/.aws/credentials`` and ``~/.aws/config``. Default: ``AWS_PROFILE``, or ``default``."""
    prefix: str = ""
    """Stands before every name in Secrets Manager, for example ``modelmesh/``."""
    recovery_days: int = attrs.field(default=30, validator=_check_recovery)
    """How long a deleted secret can be had back: 7 to 30 days; 0 deletes it for good at once."""
    endpoint_url: str | None = None
    """In the place of AWS's own address. Default: ``AWS_ENDPOINT_URL_SECRETS_MANAGER``, ``AWS_ENDPOINT_URL``."""


class SecretsManagerStore(HttpSecretStore):
    """One secret of Secrets Manager a name; its text is the value. Credentials are read when the store is made.

    Raises ConnectorError where there are none, or no region.
    """

    writable = True
    service = "AWS Secrets Manager"
    refused_hint = "Check the credentials and the region, and that their policy allows secretsmanager: what was asked."

    def __init__(
        self,
        options: SecretsManagerOptions | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options or SecretsManagerOptions()
        super().__init__(self._options, clock)
        environ = os.environ if environ is None else environ
        profile = read_profile(self._options.profile, environ)
        self._credentials = self._identity(environ) or profile.credentials() or _nobody(profile.name)
        named = (self._options.region, environ.get("AWS_REGION"), environ.get("AWS_DEFAULT_REGION"))
        self._region = next((name for name in (*named, profile.values.get("region")) if name), "").strip().lower()
        if not _REGION.fullmatch(self._region):
            raise ConnectorError(
                f"aws.secrets-manager.v1 needs a region such as eu-central-1, and found {self._region!r}.",
                hint="Set secrets.region or AWS_REGION.",
            )
        variables = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL")
        given = self._options.endpoint_url or next((environ[name] for name in variables if environ.get(name)), None)
        self._url = (given or f"https://secretsmanager.{self._region}.{domain_of(self._region)}").rstrip("/") + "/"

    async def get(self, name: str) -> Secret | None:
        if not self._fits(name):
            return None
        what = f"give {name}"
        response = await self._ask("GetSecretValue", {"SecretId": self._id(name)}, what)
        if _code(response) in (_MISSING, _AWAITS_DELETION):
            return None
        found = self.object_of(self._good(response, what), what)
        if isinstance(found.get("SecretString"), str):
            return Secret(found["SecretString"])
        try:
            return Secret(base64.b64decode(found["SecretBinary"], validate=True).decode())
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise ModelMeshError(
                f"{self.service}: the value of {name} is no text.", hint="Store it as a SecretString."
            ) from None

    async def set(self, name: str, value: Secret) -> None:
        if not self._fits(name):
            raise ModelMeshError(
                f"{self.service} cannot hold a secret named {name!r}.",
                hint="Names are letters, digits and /_+=.@-, at most 512 of them, the prefix included.",
            )
        what, written = f"set {name}", {"SecretString": value.reveal()}
        changed = {"SecretId": self._id(name), **written}
        response = await self._ask("PutSecretValue", changed, what)
        if _code(response) == _AWAITS_DELETION:
            self._good(await self._ask("RestoreSecret", {"SecretId": self._id(name)}, what), what)
            response = await self._ask("PutSecretValue", changed, what)
        elif _code(response) == _MISSING:
            response = await self._ask("CreateSecret", {"Name": self._id(name), **written}, what)
        self._good(response, what)

    async def delete(self, name: str) -> bool:
        if not self._fits(name) or await self.get(name) is None:
            return False
        days, what = self._options.recovery_days, f"delete {name}"
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        response = await self._ask("DeleteSecret", {"SecretId": self._id(name), **how}, what)
        if _code(response) in (_MISSING, _AWAITS_DELETION):
            return False
        self._good(response, what)
        return True

    async def list(self) -> Sequence[str]:
        prefix, what = self._options.prefix, "list its secrets"
        asked: dict[str, Any] = {"MaxResults": 100}
        if prefix:
            asked["Filters"] = [{"Key": "name", "Values": [prefix]}]
        names: list[str] = []
        while True:
            page = self.object_of(self._good(await self._ask("ListSecrets", asked, what), what), what)
            rows = cast(list[dict[str, Any]], page.get("SecretList") or [])
            names += [row["Name"].removeprefix(prefix) for row in rows if row["Name"].startswith(prefix)]
            if not page.get("NextToken"):
                return sorted(names)
            asked["NextToken"] = page["NextToken"]

    def reason(self, response: HttpResponse) -> str:
        code = _code(response)
        said = super().reason(response)
        return f"{code}: {said}" if code and said else code or said

    def confidential(self) -> Iterable[Secret]:
        own = self._credentials
        return [own.secret_access_key, own.access_key_id, *([own.session_token] if own.session_token else [])]

    # --- calls -------------------------------------------------------------------------------------------------------

    def _identity(self, environ: Mapping[str, str]) -> Credentials | None:
        options = self._options
        if options.access_key_id and options.secret_access_key:
            return Credentials(options.access_key_id, options.secret_access_key, options.session_token)
        if options.access_key_id or options.secret_access_key:
            raise ConnectorError(
                "aws.secrets-manager.v1 has one half of an access key.",
                hint="Set both secrets.access_key_id and secrets.secret_access_key.",
            )
        return None if options.profile else credentials_in(environ)

    def _fits(self, name: str) -> bool:
        return _NAME.fullmatch(self._id(name)) is not None

    def _id(self, name: str) -> str:
        return self._options.prefix + name

    async def _ask(self, action: str, body: Mapping[str, Any], what: str) -> HttpResponse:
        """The response, be it an error of 400, which is how this service says most things."""
        content = orjson.dumps(body)
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"secretsmanager.{action}"}
        signed = signed_headers(
            "POST",
            self._url,
            headers,
            content,
            self._credentials,
            region=self._region,
            service="secretsmanager",
            now=self.clock.now(),
        )
        return await self.send(HttpRequest("POST", self._url, signed, content), what, accept=(400, 404))

    def _good(self, response: HttpResponse, what: str) -> HttpResponse:
        if 200 <= response.status < 300:
            return response
        raise self.refusal(response, what)


def _code(response: HttpResponse) -> str:
    """The service's name for an error; empty for a success."""
    if response.status < 400:
        return ""
    try:
        body: Any = orjson.loads(response.body)
        return str(body["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return ""


def _nobody(profile: str) -> Credentials:
    raise ConnectorError(
        f"aws.secrets-manager.v1 has no credentials: no option, no variable, and no key in the profile {profile!r}.",
        hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or secrets.profile.",
    )


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="aws.secrets-manager.v1",
        create=SecretsManagerStore,
        options=SecretsManagerOptions,
        description="AWS Secrets Manager.",
    )
