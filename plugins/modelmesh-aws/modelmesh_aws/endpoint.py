"""Where an account's models are asked, and how a request shows who asks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import attrs
from modelmesh_core import (
    HttpRequest,
    HttpResponse,
    ProviderSettings,
    Secret,
    checked_key,
    checked_url,
    own_headers,
    redacted,
)

from .options import BedrockOptions
from .signing import Credentials, signed_headers

_DEFAULT_REGION = "us-east-1"
_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]+)+")
_HOST = re.compile(r"(?:^|\.)bedrock(?:-runtime)?(?:-fips)?\.([a-z]{2,8}(?:-[a-z0-9]+)+)\.")
SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)
"""Beginning of a region's name → the domain of its services, where that is not amazonaws.com."""
_SERVICE = "bedrock"
_EXAMPLE = "https://bedrock-runtime.eu-central-1.amazonaws.com"


@attrs.frozen
class Endpoint:
    """An account in one region, ready to be asked."""

    runtime: str
    """Base URL of the API that runs models."""
    control: str
    """Base URL of the API that lists them."""
    region: str
    bearer: Secret | None
    credentials: Credentials | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    """The user's own. They are not signed: a proxy that they are meant for may take them away."""
    now: Callable[[], float] = time.time
    """UTC epoch seconds, for the moment that a signature names."""

    def post(self, path: str, body: bytes, accept: str, *, stream: bool = False) -> HttpRequest:
        """A call of the runtime. ``path`` is percent-encoded."""
        own = {"content-type": "application/json", "accept": accept}
        url = self.runtime + path
        return HttpRequest("POST", url, self._authorized("POST", url, own, body), body, stream)

    def get(self, path: str) -> HttpRequest:
        """A call of the control plane."""
        url = self.control + path
        return HttpRequest("GET", url, self._authorized("GET", url, {"accept": "application/json"}, b""))

    def cleaned(self, response: HttpResponse) -> HttpResponse:
        """``response`` without the account's secrets: errors about signatures quote what was signed."""
        secrets = (secret.reveal() for secret in self._secrets())
        return attrs.evolve(response, body=redacted(response.body, *secrets))

    def _authorized(self, method: str, url: str, own: dict[str, str], body: bytes) -> dict[str, str]:
        if self.bearer is not None:
            return {**own, "authorization": f"Bearer {self.bearer.reveal()}", **self.headers}
        if self.credentials is None:
            return {**own, **self.headers}
        signed = signed_headers(
            method, url, own, body, self.credentials, region=self.region, service=_SERVICE, now=self.now()
        )
        return {**self.headers, **signed}

    def _secrets(self) -> list[Secret]:
        found = [self.bearer] if self.bearer else []
        if self.credentials:
            own = self.credentials
            found += [own.secret_access_key, own.access_key_id, *([own.session_token] if own.session_token else [])]
        return [secret for secret in found if secret]


def endpoint_of(settings: ProviderSettings, options: BedrockOptions, now: Callable[[], float]) -> Endpoint:
    """Raises ValueError for settings by which nobody could ask."""
    place = f"providers.{settings.name}"
    given = (settings.base_url or "").strip()
    base = checked_url(given, f"{place}.base_url", _EXAMPLE) if given else ""
    region = _region(place, options, base)
    suffix = next((suffix for start, suffix in SUFFIXES if region.startswith(start)), "amazonaws.com")
    runtime = base or f"https://bedrock-runtime.{region}.{suffix}"
    headers = own_headers(settings)
    bearer, credentials = _identity(place, settings, options)
    if bearer is None and credentials is None and "authorization" not in headers:
        raise ValueError(
            f"{place} has no credentials: expected api_key (a Bedrock API key, AWS_BEARER_TOKEN_BEDROCK), or "
            "access_key_id with secret_access_key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )
    control = runtime.replace("://bedrock-runtime", "://bedrock", 1)
    return Endpoint(runtime, control, region, bearer, credentials, headers, now)


def _identity(
    place: str, settings: ProviderSettings, options: BedrockOptions
) -> tuple[Secret | None, Credentials | None]:
    """A Bedrock API key, or else what signs."""
    access, secret, session = (
        _plain(f"{place}.{name}", getattr(options, name))
        for name in ("access_key_id", "secret_access_key", "session_token")
    )
    key = _plain(f"{place}.api_key", settings.api_key)
    if key is not None and key != secret:  # where the two are the same, it was found by detection and is no bearer's
        return key, None
    if access is None and secret is None:
        return None, None
    if access is None or secret is None:
        missing = "secret_access_key" if secret is None else "access_key_id"
        raise ValueError(f"{place}.{missing} is missing: a request is signed with both parts of the access key")
    return None, Credentials(access, secret, session)


def _plain(place: str, secret: Secret | None) -> Secret | None:
    text = checked_key(secret, place)
    return Secret(text) if text else None


def _region(place: str, options: BedrockOptions, base: str) -> str:
    named = _HOST.search(urlsplit(base).hostname or "") if base else None
    region = options.region or options.default_region or (named[1] if named else _DEFAULT_REGION)
    region = region.strip().lower()
    if not _REGION.fullmatch(region):
        raise ValueError(f"{place}.region: expected a name such as eu-central-1, found {region!r}")
    return region
