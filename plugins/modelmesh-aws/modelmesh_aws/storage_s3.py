"""``aws.s3.v1``: values, leases, counters and the ledger as objects of Amazon S3, or of what speaks as it does.

What changes atomically is an object that is written under a condition: ``If-None-Match: *`` where there was none,
``If-Match`` with the ETag of what was read. A service without these is refused when the storage is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree

import attrs
from modelmesh_core import (
    PASSING_STATUSES,
    Clock,
    ConnectorError,
    DocumentStorage,
    Duration,
    HttpRequest,
    HttpResponse,
    HttpStoreOptions,
    NoAnswerError,
    Secret,
    StorageConnector,
    StorageError,
    StoreClient,
    StoredInfo,
    SystemClock,
    hookimpl,
)

from .identity import credentials_in, domain_of, read_profile
from .signing import Credentials, signed_headers

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]+)+")
_PREFIX = re.compile(r"(?:[A-Za-z0-9._-]+/)*")
_DIGEST = "x-amz-meta-modelmesh-sha256"
_VERSION = b'{"modelmesh-storage":1}'
_NO_ETAG = '"00000000000000000000000000000000"'
_PRUNE_INTERVAL = 3600.0


def _slashed(prefix: str) -> str:
    return f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def _check_prefix(options: Any, field: Any, prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
        raise ValueError("expected names of letters, digits, '.', '_' and '-', with '/' between them")


def _check_bucket(options: Any, field: Any, bucket: str) -> None:
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("expected the name of a bucket: 3 to 63 lowercase letters, digits, '.' and '-'")


@attrs.frozen
class S3Options(HttpStoreOptions):
    """Options of ``aws.s3.v1``. ``timeout`` is for a whole call, its further tries included."""

    bucket: str = attrs.field(kw_only=True, validator=_check_bucket)
    """It has to exist."""
    prefix: str = attrs.field(default="modelmesh", converter=_slashed, validator=_check_prefix)
    """What is kept under one prefix of a bucket is shared; every object's key begins with it."""
    region: str | None = None
    """For example ``eu-central-1``. Default: ``AWS_REGION``, ``AWS_DEFAULT_REGION``, or the profile's; with an
    ``endpoint_url`` also ``us-east-1``."""
    endpoint_url: str | None = None
    """Of another service that speaks as S3 does, such as ``http://minio:9000``. Default: ``AWS_ENDPOINT_URL_S3``,
    ``AWS_ENDPOINT_URL``, or AWS."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Whether the bucket stands in the path or in the host name; ``auto``: in the path where there is an
    ``endpoint_url``, or a dot in the bucket's name."""
    access_key_id: Secret | None = None
    """With ``secret_access_key``. Default: ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, or the profile's."""
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    """Of temporary credentials."""
    profile: str | None = None
    """Of the files ``~/.aws/credentials`` and ``~/.aws/config``. Default: ``AWS_PROFILE``, or ``default``."""
    lock_timeout: Duration = 30.0
    """How long to go on while other processes always change the same thing first."""
    counter_retention: Duration = 40 * 86400.0
    """Counters of a window that nobody added to for this long are forgotten; longer than the longest window."""


class S3Storage(DocumentStorage):
    """Objects under one prefix of a bucket. Leases follow the service's clock.

    Raises ConnectorError for options that cannot work, StorageError for a value that does not match its checksum.
    """

    def __init__(
        self, options: S3Options, clock: Clock | None = None, *, environ: Mapping[str, str] | None = None
    ) -> None:
        clock = clock or SystemClock()
        super().__init__(clock, lock_timeout=options.lock_timeout, counter_retention=options.counter_retention)
        environ = os.environ if environ is None else environ
        profile = read_profile(options.profile, environ)
        self._options = options
        self._credentials = _identity(options, environ) or profile.credentials() or _nobody(profile.name)
        variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        endpoint = options.endpoint_url or next((environ[name] for name in variables if environ.get(name)), None)
        named = (options.region, environ.get("AWS_REGION"), environ.get("AWS_DEFAULT_REGION"))
        found = next((name for name in (*named, profile.values.get("region")) if name), "us-east-1" if endpoint else "")
        self._region = found.strip().lower()
        if not _REGION.fullmatch(self._region):
            raise ConnectorError(
                f"aws.s3.v1 needs a region such as eu-central-1, and found {self._region!r}.",
                hint="Set storage.region or AWS_REGION.",
            )
        self._url = _base_url(options, endpoint, self._region)
        place = f"the bucket {options.bucket} at {urlsplit(self._url).netloc}"
        self._client = StoreClient(place, options, clock, self._confidential)
        self._swept_at = float("-inf")

    async def open(self) -> None:
        """Raises StorageError for a service that ignores conditions: two processes would overwrite each other."""
        name, what = "version", "be opened"
        tried: tuple[tuple[dict[str, str], bool], ...] = (
            ({"if-none-match": "*"}, False),
            ({"if-none-match": "*"}, True),
            ({"if-match": _NO_ETAG}, True),
        )
        for condition, is_broken in tried:
            response = await self._ask("PUT", name, what, body=_VERSION, headers=condition, accept=(409, 412, 501))
            if response.status == 501 or (is_broken and response.status < 300):
                raise StorageError(
                    f"{self._client.place} has no conditional writes.",
                    hint="It must honour If-None-Match and If-Match of PutObject, as AWS, MinIO and R2 do.",
                )
        found = await self._get(name, what)
        if found is None or found[0] != _VERSION:
            raise StorageError(
                f"{self._client.place} holds the state of another version of ModelMesh.",
                hint="Upgrade every process, or choose another storage.prefix.",
            )

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            await self._client.close()

    def now(self) -> float:
        return self._client.now()

    # --- values ------------------------------------------------------------------------------------------------------

    async def load(self, key: str) -> bytes | None:
        found = await self._get(_value(key), f"give {key!r}")
        return None if found is None else found[0]

    async def save(self, key: str, data: bytes) -> None:
        await self._ask("PUT", _value(key), f"save {key!r}", body=data)

    async def list(self, prefix: str = "") -> Sequence[str]:
        found = await self._listed(_value(prefix), "list its objects")
        return sorted(_decoded(name.removeprefix("values/")) for name, _ in found)

    async def delete(self, key: str) -> bool:
        if await self.stat(key) is None:
            return False
        await self._ask("DELETE", _value(key), f"delete {key!r}", accept=(404,))
        return True

    async def stat(self, key: str) -> StoredInfo | None:
        response = await self._ask("HEAD", _value(key), f"look at {key!r}", accept=(404,))
        if response.status == 404:
            return None
        size, modified_at = response.headers.get("content-length"), response.headers.get("last-modified")
        try:
            return StoredInfo(int(size or ""), parsedate_to_datetime(modified_at or "").timestamp())
        except ValueError:
            raise self._client.refusal(response, f"look at {key!r}", "no size or no time") from None

    # --- documents ---------------------------------------------------------------------------------------------------

    def place(self, kind: str, label: str) -> str:
        return f"{kind}/{_encoded(label)}"

    async def read_document(self, name: str) -> tuple[bytes | None, str]:
        return await self._get(name, f"give {name!r}") or (None, "")

    async def swap_document(self, name: str, data: bytes, tag: str) -> bool:
        condition, what = {"if-match": tag} if tag else {"if-none-match": "*"}, f"change {name!r}"
        accept = (*PASSING_STATUSES, 404, 409, 412)  # 404: what was there has been deleted since
        try:
            response = await self._ask("PUT", name, what, body=data, headers=condition, accept=accept, tries=1)
        except NoAnswerError:
            return False
        if response.status == 404 and _code(response) == "NoSuchBucket":
            raise self._refusal(response, what)
        return response.status < 300

    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        totals = await super().add(key, amounts, window)
        if amounts and self._clock.monotonic() - self._swept_at >= _PRUNE_INTERVAL:
            self._swept_at = self._clock.monotonic()
            with contextlib.suppress(StorageError):  # another hour will do
                await self._sweep()
        return totals

    async def _sweep(self) -> None:
        """Delete the counters that are too old."""
        for name, modified_at in await self._listed("counters/", "list its counters"):
            if modified_at < self.now() - self._options.counter_retention:
                await self._ask("DELETE", name, "forget a counter", accept=(404,))

    # --- calls -------------------------------------------------------------------------------------------------------

    async def _get(self, name: str, what: str) -> tuple[bytes, str] | None:
        """An object's bytes, which match its checksum, and its ETag."""
        response = await self._ask("GET", name, what, accept=(404,))
        if response.status == 404:
            if _code(response) == "NoSuchKey":
                return None
            raise self._refusal(response, what)
        if response.headers.get(_DIGEST) != hashlib.sha256(response.body).hexdigest():
            raise StorageError(
                f"{self._client.place}: the object {self._options.prefix}{name} does not match its checksum.",
                hint="Restore it from a backup, or delete it to begin afresh.",
            )
        return response.body, response.headers.get("etag") or ""

    async def _listed(self, prefix: str, what: str) -> list[tuple[str, float]]:
        """Names and times (UTC epoch seconds) of the objects whose names begin so."""
        found: list[tuple[str, float]] = []
        own, token = self._options.prefix, ""
        while True:
            query = {"list-type": "2", "prefix": own + prefix, **({"continuation-token": token} if token else {})}
            response = await self._ask("GET", f"?{urlencode(query, quote_via=quote, safe='')}", what)
            try:
                page = ElementTree.fromstring(response.body)
                for row in page.iterfind("{*}Contents"):
                    name = (row.findtext("{*}Key") or "").removeprefix(own)
                    moment = datetime.fromisoformat(row.findtext("{*}LastModified") or "")
                    found.append((name, moment.timestamp()))
            except (ElementTree.ParseError, ValueError):
                raise self._client.refusal(response, what, "the answer is no list of objects") from None
            token = page.findtext("{*}NextContinuationToken") or ""
            if page.findtext("{*}IsTruncated") != "true" or not token:
                return found

    async def _ask(
        self,
        method: str,
        name: str,
        what: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
        tries: int = 3,
    ) -> HttpResponse:
        """The response, if it is a success or its status is in ``accept``. ``name`` may be a query of the bucket."""
        url = f"{self._url}/{name}" if name.startswith("?") else f"{self._url}/{self._options.prefix}{name}"
        content = body or b""
        digest = hashlib.sha256(content).hexdigest()
        sent = {**(headers or {}), "x-amz-content-sha256": digest}
        if body is not None:
            sent |= {_DIGEST: digest, "content-type": "application/octet-stream"}
        # No name has a character that a path would encode, so that the signing of paths twice, as all services but
        # S3 want it, signs this one as S3 wants it.
        signed = signed_headers(
            method, url, sent, content, self._credentials, region=self._region, service="s3", now=self.now()
        )
        response = await self._client.send(HttpRequest(method, url, signed, body), what, tries=tries)
        if 200 <= response.status < 300 or response.status in accept:
            return response
        raise self._refusal(response, what)

    def _refusal(self, response: HttpResponse, what: str) -> StorageError:
        code, message = _code(response), re.search(rb"<Message>([^<]*)</Message>", response.body)
        said = message[1].decode(errors="replace") if message else ""
        hint = None
        if region := response.headers.get("x-amz-bucket-region", ""):
            hint = f"Set storage.region to {region}." if region != self._region else None
        if hint is None and response.status in (400, 403):
            hint = "Check the credentials, and that they may get, put, delete and list objects there."
        if code == "NoSuchBucket":
            hint = "Create the bucket, or correct storage.bucket."
        return self._client.refusal(response, what, ": ".join(filter(None, (code, said))), hint)

    def _confidential(self) -> Iterable[Secret]:
        own = self._credentials
        return [own.secret_access_key, own.access_key_id, *([own.session_token] if own.session_token else [])]


def _base_url(options: S3Options, endpoint: str | None, region: str) -> str:
    """The bucket's address, without a slash at its end."""
    try:
        parts = urlsplit((endpoint or f"https://s3.{region}.{domain_of(region)}").strip().rstrip("/"))
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_one = urlsplit(""), False
    if not is_one or parts.query or "@" in parts.netloc:
        raise ConnectorError(
            "aws.s3.v1 needs an endpoint such as https://minio.example:9000, without a user or a query.",
            hint="Check storage.endpoint_url, AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL.",
        )
    in_path = endpoint is not None or "." in options.bucket
    if options.addressing != "auto":
        in_path = options.addressing == "path"
    if in_path:
        return f"{parts.scheme}://{parts.netloc}{parts.path}/{options.bucket}"
    return f"{parts.scheme}://{options.bucket}.{parts.netloc}{parts.path}"


def _identity(options: S3Options, environ: Mapping[str, str]) -> Credentials | None:
    if options.access_key_id and options.secret_access_key:
        return Credentials(options.access_key_id, options.secret_access_key, options.session_token)
    if options.access_key_id or options.secret_access_key:
        raise ConnectorError(
            "aws.s3.v1 has one half of an access key.",
            hint="Set both storage.access_key_id and storage.secret_access_key.",
        )
    return None if options.profile else credentials_in(environ)


def _nobody(profile: str) -> Credentials:
    raise ConnectorError(
        f"aws.s3.v1 has no credentials: no option, no variable, and no key in the profile {profile!r}.",
        hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or storage.profile.",
    )


def _value(key: str) -> str:
    return f"values/{_encoded(key)}"


def _encoded(text: str) -> str:
    """``text`` in characters that no URL encodes, one after the other: what begins alike still does."""
    return quote(text, safe="").replace("~", "%7E").replace(".", "%2E").replace("%", "~")


def _decoded(text: str) -> str:
    return unquote(text.replace("~", "%"))


def _code(response: HttpResponse) -> str:
    """The service's name for an error."""
    found = re.search(rb"<Code>(\w+)</Code>", response.body)
    return found[1].decode() if found else ""


@hookimpl
def storage_connectors() -> Iterable[StorageConnector]:
    yield StorageConnector(
        id="aws.s3.v1",
        create=S3Storage,
        options=S3Options,
        description="Amazon S3 or a service that speaks as it does, shared by every process that reaches it.",
    )
