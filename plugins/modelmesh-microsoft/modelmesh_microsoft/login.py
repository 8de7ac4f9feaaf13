"""Who asks Key Vault: access tokens, asked for when needed and kept until they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
from modelmesh_core import ConnectorError, HttpRequest, ModelMeshError, Secret

from .options import KeyVaultOptions

_PUBLIC_CLOUD = "https://login.microsoftonline.com"
_MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RESOURCES = {
    ".vault.azure.cn": "https://vault.azure.cn",
    ".vault.usgovcloudapi.net": "https://vault.usgovcloudapi.net",
}
"""End of a vault's host → what tokens are for, where that is not the public cloud."""


@attrs.frozen
class Login:
    """One way to get a token: the request for it, made anew each time."""

    method: str
    request: Callable[[], HttpRequest] | None
    """None for a token that is given."""
    given: Secret | None = None
    secrets: tuple[Secret, ...] = ()


def login_of(options: KeyVaultOptions, host: str, environ: Mapping[str, str]) -> Login:
    """Raises ConnectorError for options by which nobody could log in."""

    def found(name: str, variable: str) -> Any:
        return getattr(options, name) or environ.get(variable) or None

    tenant, client = found("tenant_id", "AZURE_TENANT_ID"), found("client_id", "AZURE_CLIENT_ID")
    secret = options.client_secret or _secret(environ.get("AZURE_CLIENT_SECRET"))
    file = found("federated_token_file", "AZURE_FEDERATED_TOKEN_FILE")
    needed = {
        "token": {"access_token": options.access_token},
        "client-secret": {"tenant_id": tenant, "client_id": client, "client_secret": secret},
        "workload-identity": {"tenant_id": tenant, "client_id": client, "federated_token_file": file},
        "managed-identity": {},
    }
    method = options.login or next(name for name, parts in needed.items() if all(parts.values()))
    missing = [name for name, value in needed[method].items() if not value]
    if missing:
        raise ConnectorError(
            f"microsoft.key-vault.v1 cannot log in by {method}: it has no {' and no '.join(missing)}.",
            hint="Set it under secrets, or the variable that the reference names.",
        )
    resource = options.resource or next(
        (resource for end, resource in _RESOURCES.items() if host.endswith(end)), "https://vault.azure.net"
    )
    if method == "token":
        return Login(method, None, options.access_token, (options.access_token,) if options.access_token else ())
    if method == "managed-identity":
        return _managed(options, resource, client, environ)
    authority = (found("authority", "AZURE_AUTHORITY_HOST") or _PUBLIC_CLOUD).rstrip("/")
    url, scope = f"{authority}/{tenant}/oauth2/v2.0/token", f"{resource}/.default"

    def ask() -> HttpRequest:
        form = {"grant_type": "client_credentials", "client_id": client, "scope": scope}
        if method == "client-secret":
            form["client_secret"] = secret.reveal() if secret else ""
        else:
            form |= {"client_assertion_type": _ASSERTION, "client_assertion": _read(Path(file))}
        return HttpRequest("POST", url, {"content-type": "application/x-www-form-urlencoded"}, urlencode(form).encode())

    return Login(method, ask, secrets=(secret,) if secret else ())


def _managed(options: KeyVaultOptions, resource: str, client: str | None, environ: Mapping[str, str]) -> Login:
    """By the endpoint that App Service and its kin give each process, or by the one of every machine."""
    header = environ.get("IDENTITY_HEADER")
    endpoint = options.identity_endpoint or environ.get("IDENTITY_ENDPOINT") or _MACHINE
    is_service = header is not None and endpoint == environ.get("IDENTITY_ENDPOINT")
    query = {"resource": resource, "api-version": "2019-08-01" if is_service else "2018-02-01"}
    if client:
        query["client_id"] = client
    headers = {"x-identity-header": header} if is_service and header else {"metadata": "true"}
    url = f"{endpoint}?{urlencode(query)}"
    return Login("managed-identity", lambda: HttpRequest("GET", url, headers), secrets=(Secret(header or ""),))


def _secret(text: str | None) -> Secret | None:
    return Secret(text) if text else None


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ModelMeshError(
            f"Azure Key Vault: the workload identity's token cannot be read from {file}: {reason}.",
            hint="Set federated_token_file, or another login.",
        ) from None
