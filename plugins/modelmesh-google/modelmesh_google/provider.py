"""GeminiProvider and VertexProvider: two doors to the same models."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import NoReturn
from urllib.parse import quote, urlencode

from modelmesh_core import (
    CatalogueModel,
    Clock,
    Constraints,
    Flow,
    HttpProvider,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    StreamDecoder,
    SystemClock,
    as_object,
    as_objects,
    as_text,
    checked_key,
    checked_url,
    own_headers,
    redacted,
    refused,
)

from .credentials import TokenSource, read_account
from .embeddings import embed
from .endpoint import Endpoint
from .images import draw
from .options import VertexOptions
from .replies import GoogleStreamDecoder, decode_chat
from .request import encode_chat
from .shapes import as_count
from .speech import speak

_MOST_PAGES = 40
_EXPRESS_KEYS = ("AIza", "AQ.")
"""How an API key begins, in place of an access token."""


def chat(call: ProviderCall, endpoint: Endpoint) -> Generator[HttpRequest, HttpResponse, Reply | StreamDecoder]:
    """The flow of a chat call."""
    body = encode_chat(call)
    if call.stream:
        method = "streamGenerateContent?alt=sse"
        response = yield from endpoint.ask(call.upstream_model, method, body, stream=True)
        return GoogleStreamDecoder(response, call.upstream_model, endpoint.hide)
    response = yield from endpoint.ask(call.upstream_model, "generateContent", body)
    return decode_chat(response, call.upstream_model)


_Answering = Generator[HttpRequest, HttpResponse, Reply | StreamDecoder] | Generator[HttpRequest, HttpResponse, Reply]
_FLOWS: Mapping[Operation, Callable[[ProviderCall, Endpoint], _Answering]] = {
    Operation.CHAT: chat,
    Operation.EMBEDDINGS: embed,
    Operation.IMAGES: draw,
    Operation.SPEECH: speak,
}


class _GoogleProvider(HttpProvider):
    """What both doors have in common."""

    operations = frozenset(_FLOWS)

    def __init__(self, settings: ProviderSettings, base_url: str) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        self._name = settings.name
        place = f"providers.{settings.name}"
        self._base_url = checked_url(base_url, f"{place}.base_url", "https://host.example/v1beta")
        self._key = checked_key(settings.api_key, f"{place}.api_key")
        self._headers = {"content-type": "application/json", **own_headers(settings)}

    def execute(self, call: ProviderCall) -> Flow:
        flow = _FLOWS.get(call.operation)
        if flow is None:
            _refuse_operation(self._name, call.operation)
        endpoint = yield from self._endpoint()
        answer = yield from flow(call, endpoint)
        return answer

    def _endpoint(self) -> Generator[HttpRequest, HttpResponse, Endpoint]:
        raise NotImplementedError

    def _secrets(self) -> list[str]:
        return [self._key]

    def _hide(self, data: bytes, /) -> bytes:
        """``data`` without the account's secrets: some servers quote the key that they refuse."""
        return redacted(data, *self._secrets())

    def _pages(
        self, endpoint: Endpoint, url: str, field: str, headers: Mapping[str, str]
    ) -> Generator[HttpRequest, HttpResponse, list[Json]]:
        """Every row of a listing."""
        rows: list[Json] = []
        token = ""
        for _ in range(_MOST_PAGES):
            query = {"pageSize": "200", **({"pageToken": token} if token else {})}
            response = yield from endpoint.get(f"{url}?{urlencode(query)}", headers)
            page = as_object(response.json())
            rows += as_objects(page.get(field))
            token = as_text(page.get("nextPageToken"))
            if not token:
                break
        return rows


class GeminiProvider(_GoogleProvider):
    """An account of the Gemini API, which a key opens."""

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, settings.base_url or "")
        if self._key:
            self._headers["x-goog-api-key"] = self._key

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /models`` lists, all pages. What each can do is left to the catalogue."""
        endpoint = yield from self._endpoint()
        rows = yield from self._pages(endpoint, f"{self._base_url}/models", "models", {})
        named = [(as_text(row.get("name")).removeprefix("models/"), row) for row in rows]
        return [self._listed(name, row) for name, row in named if name]

    def _endpoint(self) -> Generator[HttpRequest, HttpResponse, Endpoint]:
        yield from ()
        return Endpoint(self._address, self._headers, self._hide)

    def _address(self, model: str) -> str:
        return f"{self._base_url}/{_path(model if '/' in model else f'models/{model}')}"

    def _listed(self, name: str, row: Json) -> CatalogueModel:
        window, longest = as_count(row.get("inputTokenLimit")), as_count(row.get("outputTokenLimit"))
        return CatalogueModel(
            f"{self._name}.{name}",
            capabilities=(),
            upstream_model=name,
            constraints=Constraints(context_window=window or None, max_output_tokens=longest or None),
            source=f"{self._base_url}/models",
        )


class VertexProvider(_GoogleProvider):
    """A project on Vertex AI, which an access token, a service account, or a key of express mode opens."""

    def __init__(self, settings: ProviderSettings, clock: Clock | None = None) -> None:
        options = settings.options or VertexOptions()
        super().__init__(settings, settings.base_url or f"https://{_host(options.location)}/v1")
        place = f"providers.{settings.name}"
        self._tokens: TokenSource | None = None
        if options.service_account:
            where = f"{place}.service_account"
            account = read_account(options.service_account, where)
            self._tokens = TokenSource(account, clock or SystemClock(), where)
        elif not self._key:
            raise ValueError(f"{place}: expected api_key (an access token) or service_account (a path or its JSON)")
        is_express = self._key.startswith(_EXPRESS_KEYS)
        if not options.project and not is_express:
            raise ValueError(f"{place}.project is missing: expected the id of a Google Cloud project")
        if self._key and self._tokens is None:
            name, value = ("x-goog-api-key", self._key) if is_express else ("authorization", f"Bearer {self._key}")
            self._headers[name] = value
        self._project = options.project or ""
        self._root = self._base_url
        if self._project:
            self._root += f"/projects/{quote(self._project, safe='')}/locations/{options.location}"

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """Google's own models in the Model Garden, all pages."""
        endpoint = yield from self._endpoint()
        root, _, version = self._base_url.rpartition("/")
        base = f"{root}/v1beta1" if version in ("v1", "v1beta1") else self._base_url
        # A user's token needs a project that the call counts for; a service account has its own.
        counted = {"x-goog-user-project": self._project} if self._project and self._tokens is None else {}
        rows = yield from self._pages(endpoint, f"{base}/publishers/google/models", "publisherModels", counted)
        names = [as_text(row.get("name")).rpartition("/")[2] for row in rows]
        source = f"{base}/publishers/google/models"
        return [
            CatalogueModel(f"{self._name}.{name}", (), upstream_model=name, source=source) for name in names if name
        ]

    def _endpoint(self) -> Generator[HttpRequest, HttpResponse, Endpoint]:
        if self._tokens is None:
            return Endpoint(self._address, self._headers, self._hide, is_vertex=True)
        token = yield from self._tokens.token()
        headers = {**self._headers, "authorization": f"Bearer {token}"}
        return Endpoint(self._address, headers, self._hide, is_vertex=True, refused=self._tokens.forget)

    def _secrets(self) -> list[str]:
        return [self._key, *(self._tokens.secrets() if self._tokens else ())]

    def _address(self, model: str) -> str:
        if model.startswith("projects/"):
            return f"{self._base_url}/{_path(model)}"
        return f"{self._root}/{_path(model if '/' in model else f'publishers/google/models/{model}')}"


def _host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _path(name: str) -> str:
    return "/".join(quote(part, safe="") for part in name.split("/"))


def _refuse_operation(name: str, operation: Operation) -> NoReturn:
    raise refused(f"provider {name!r} (Google) cannot do {operation.value}")
