"""Which connector a recording calls for: the one that would have sent its request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from ...errors import ModelMeshError
from ...interfaces.provider import HttpProvider, ProviderCall, ProviderConnector, ProviderSettings
from ...openai_dialect import OpenAICompatible
from ...registry import ConnectorRegistry
from ...values import Secret
from ...wire.messages import Body, Dialect, Operation
from ...wire.shapes import as_list
from .recording import Recording

KINDS: dict[str, tuple[Operation, ...]] = {
    "chat": (Operation.CHAT,),
    "completions": (Operation.TEXT_COMPLETION,),
    "responses": (Operation.CHAT,),
    "embeddings": (Operation.EMBEDDINGS,),
    "rerank": (Operation.RERANK,),
    "audio": (Operation.SPEECH, Operation.TRANSCRIPTION, Operation.AUDIO_TRANSLATION),
    "images": (Operation.IMAGES,),
    "moderations": (Operation.MODERATION,),
    "search": (Operation.SEARCH,),
    "ocr": (Operation.DOCUMENT_PARSING,),
    "translation": (Operation.TRANSLATION,),
}
"""A recording's kind → the operations that it can be."""
GENERIC = "modelmesh.openai-compatible.v1"
_ALIASES = {"moonshotai": "moonshot", "azure-foundry": "azure-openai", "ollama": "ollama-native"}
_KEY = "replayed-key"


@attrs.frozen
class Match:
    """A connector, and the call that the recording is."""

    connector: str
    provider: HttpProvider
    call: ProviderCall


class Matcher:
    """Finds connectors for recordings. Makes each provider once."""

    def __init__(self, registry: ConnectorRegistry | None = None) -> None:
        self._registry = registry or ConnectorRegistry()
        self._make = cache(self._made)

    def find(self, recording: Recording) -> Match | None:
        """The best match; None if no connector would send such a request."""
        return next(iter(self.find_all(recording)), None)

    def find_all(self, recording: Recording) -> list[Match]:
        """The best match; where no URL says what was asked, all that could have got such an answer, best first."""
        found = [(score, match) for match, score in self._candidates(recording) if score > 0]
        matches = [match for _, match in sorted(found, key=lambda pair: pair[0], reverse=True)]
        if not recording.url:
            return matches
        if matches or recording.stream:
            return matches[:1]
        # Recorders tell a stream by its answer: one that was refused at once does not look like one.
        return self.find_all(attrs.evolve(recording, stream=True))

    def provider(self, connector_id: str) -> HttpProvider | None:
        """A provider of that connector, with a key and options that stand for an account's; None if none is made."""
        return self._make(connector_id, "")

    def _candidates(self, recording: Recording) -> Iterator[tuple[Match, int]]:
        for info in self._registry.list_connectors("provider"):
            affinity = 1 if info.id == GENERIC else _affinity(info.id, recording)
            if not affinity and recording.host not in ("", "localhost", "127.0.0.1"):
                continue
            provider = self._make(info.id, recording.url)
            if provider is None:
                continue
            for operation in _operations(recording, provider):
                call = call_for(recording, operation)
                yield Match(info.id, provider, call), self._score(provider, call, recording, affinity)

    def _score(self, provider: HttpProvider, call: ProviderCall, recording: Recording, affinity: int) -> int:
        """0 where it would have sent something else."""
        if not recording.url:
            return 0 if recording.method else affinity - 1  # a method without a URL is no HTTP
        try:
            request = next(provider.execute(attrs.evolve(call)))
        except (ModelMeshError, StopIteration):
            return 0
        parts = urlsplit(request.url)
        if _tail(unquote(parts.path)) != _tail(recording.path) or recording.method not in ("", request.method):
            return 0
        return 1 + affinity + 4 * (parts.hostname == recording.host)

    def _made(self, connector_id: str, url: str) -> HttpProvider | None:
        try:
            record = self._registry.connector(ProviderConnector, connector_id)
            parts = urlsplit(url)
            root = f"{parts.scheme}://{parts.netloc}" if parts.netloc and "<" not in parts.netloc else None
            for base_url in (record.default_base_url, root, "http://127.0.0.1:1/v1"):
                provider = _created(record, base_url)
                if provider is not None:
                    return provider
        except ModelMeshError:
            pass  # a connector that cannot be imported sends nothing
        return None


def _created(record: ProviderConnector, base_url: str | None) -> HttpProvider | None:
    settings = ProviderSettings("replay", Secret(_KEY), base_url, options=_options(record.options))
    try:
        provider = record.create(settings)
    except Exception:
        return None  # whatever is wrong with one connector that happens to be installed, it sends nothing
    if isinstance(provider, OpenAICompatible):
        provider.speaks_responses = True  # the recording says that it does
    return provider if isinstance(provider, HttpProvider) else None


def _options(cls: Any) -> Any:
    """The connector's options, with something for those that have to be given."""
    if cls is None:
        return None
    filled: dict[str, Any] = {}
    for field in attrs.fields(cls):
        wanted = field.default is attrs.NOTHING or (field.default in (None, "") and field.name in _NEEDED)
        if wanted:
            filled[field.name] = _NEEDED.get(field.name, "replay")
    return cls(**filled)


_NEEDED = {"project": "replay", "account_id": "replay", "region": "us-east-1", "location": "global", "cx": "replay"}
"""Options that an account has, and a recording has not."""


def _affinity(connector_id: str, recording: Recording) -> int:
    """How well the connector's name fits the recording's provider."""
    label = _ALIASES.get(recording.provider, recording.provider)
    vendor, _, service = connector_id.rpartition(".")[0].partition(".")
    if label in (f"{vendor}-{service}", f"{vendor}.{service}", connector_id):
        return 4
    if vendor in (label, recording.provider):
        return 3
    return 2 if service in (label, recording.provider) else 0


def _tail(path: str) -> tuple[str, ...]:
    """What of a path says what is asked, without the model's name and what a gateway puts before it."""
    parts = [part for part in path.split("/") if part]
    model = _place_of_model(parts)
    if model is not None and model == len(parts) - 1 and ":" in parts[model]:
        return (parts[model].rpartition(":")[2],)  # models/NAME:method
    kept = [part for place, part in enumerate(parts) if place != model]
    return tuple(part for part in kept[-2:] if part not in _BEFORE_A_MODEL and not _VERSION.fullmatch(part))


_BEFORE_A_MODEL = frozenset({"model", "models", "deployments"})
_NO_MODELS = frozenset({"chat", "completions", "embeddings"})
_VERSION = re.compile(r"v\d+(?:beta\d*)?|openai")


def _place_of_model(parts: list[str]) -> int | None:
    named = (
        place
        for place, (before, part) in enumerate(pairwise(parts), 1)
        if before in _BEFORE_A_MODEL and part not in _NO_MODELS
    )
    return next(named, None)


def _model_in(path: str) -> str:
    """The model that a path names, if it does."""
    parts = [part for part in path.split("/") if part]
    place = _place_of_model(parts)
    if place is None:
        return ""
    return parts[place].rpartition(":")[0] or parts[place] if place == len(parts) - 1 else parts[place]


def _operations(recording: Recording, provider: HttpProvider) -> list[Operation]:
    """What the recording can be, of what the provider does; in recordings of bodies only, the answer decides."""
    kinds = (Operation.CHAT,) if _is_response(recording) else KINDS.get(recording.kind, tuple(Operation))
    possible = [operation for operation in kinds if operation in provider.operations]
    if recording.url:
        return possible
    is_json = bool(recording.answered) or recording.stream
    unlikely = Operation.SPEECH if is_json else Operation.TRANSCRIPTION  # but some vendors wrap speech in JSON
    out = (unlikely, Operation.AUDIO_TRANSLATION)
    return [operation for operation in possible if operation not in out] or possible


def _is_response(recording: Recording) -> bool:
    """Whether it is of the Responses API."""
    if recording.kind == "responses" or recording.url:
        return recording.kind == "responses" or recording.path.endswith("/responses")
    first = recording.first
    return first.get("object") == "response" or str(first.get("type")).startswith("response.")


# --- the call --------------------------------------------------------------------------------------------------------


def call_for(recording: Recording, operation: Operation) -> ProviderCall:
    """The call that a recording is, in the mesh's own shape as far as it can be told."""
    asked = recording.asked
    native = _is_response(recording)
    body = _body(operation, asked, recording)
    return ProviderCall(
        operation,
        _model_in(recording.path) or recording.model or str(asked.get("model") or "replayed-model"),
        body,
        recording.stream,
        recording.id,
        dialect=Dialect.OPENAI_RESPONSES if native else Dialect.OPENAI_CHAT,
        native=(asked or {"input": "replay"}) if native else None,
    )


def _body(operation: Operation, asked: Body, recording: Recording) -> Body:
    model = {"model": recording.model or "replayed-model"}
    if operation is Operation.CHAT:
        is_canonical = recording.path.endswith("/chat/completions") and isinstance(asked.get("messages"), list)
        return asked if is_canonical else {**model, "messages": [{"role": "user", "content": "replay"}]}
    if operation is Operation.EMBEDDINGS:
        asked_for = next((asked[key] for key in ("input", "texts", "requests", "instances") if key in asked), None)
        answered = recording.answered
        given = next((answered[key] for key in ("data", "embeddings", "predictions") if key in answered), None)
        count = len(as_list(given if asked_for is None else asked_for))
        return {**model, "input": ["replay"] * max(1, count)}
    edited = {"image": [b"replay"]} if recording.path.endswith("/images/edits") else {}
    return {**model, **_EXAMPLES.get(operation, {}), **edited}


_SOUND: Body = {"file": b"replay", "filename": "replay.wav", "media_type": "audio/wav"}
_EXAMPLES: dict[Operation, Body] = {
    Operation.TEXT_COMPLETION: {"prompt": "replay"},
    Operation.SPEECH: {"input": "replay", "voice": "alloy"},
    Operation.TRANSCRIPTION: _SOUND,
    Operation.AUDIO_TRANSLATION: _SOUND,
    Operation.IMAGES: {"prompt": "replay"},
    Operation.MODERATION: {"input": "replay"},
    Operation.RERANK: {"query": "replay", "documents": ["replay"] * 100},
    Operation.SEARCH: {"query": "replay"},
    Operation.DOCUMENT_PARSING: {"file": b"replay", "filename": "replay.pdf", "media_type": "application/pdf"},
    Operation.TRANSLATION: {"input": "replay", "target_language": "de"},
}
