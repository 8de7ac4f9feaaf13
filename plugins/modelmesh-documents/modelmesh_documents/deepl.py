"""DeepL: texts in another language."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    Usage,
    VendorProvider,
    as_list,
    as_number,
    as_objects,
    as_text,
    drop_unknown,
    headroom_of,
    object_of,
    refused,
)

from .options import DeepLOptions

_KNOWN = frozenset({"input", "target_language", "source_language", "formality"})
_OWN = frozenset(
    {"context", "glossary_id", "tag_handling", "tag_handling_version", "split_sentences", "preserve_formatting"}
    | {"outline_detection", "splitting_tags", "non_splitting_tags", "ignore_tags", "style_id", "custom_instructions"}
    | {"translation_memory_id", "translation_memory_threshold"}
)
_FORMALITIES = {
    **{name: name for name in ("default", "more", "less", "prefer_more", "prefer_less")},
    "formal": "prefer_more",
    "informal": "prefer_less",
}
_MODEL_TYPES = frozenset({"quality_optimized", "prefer_quality_optimized", "latency_optimized"})
_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_VARIANTS = frozenset({"EN-US", "EN-GB", "PT-BR", "PT-PT", "ZH-HANS", "ZH-HANT", "ES-419"})
_SAME = {"NO": "NB", "NN": "NB", "IW": "HE", "IN": "ID"}
_TEXTS, _BYTES = 50, 100_000
"""Of one request; DeepL's own limit is 128 KiB, all of its JSON included."""


class DeepL(VendorProvider):
    """``deepl.translation.v1``."""

    title = "DeepL"
    operations = frozenset({Operation.TRANSLATION})

    def __init__(self, settings: ProviderSettings) -> None:
        given = settings.options
        self._options = given if isinstance(given, DeepLOptions) else DeepLOptions()
        key = settings.api_key.reveal().strip() if settings.api_key else ""
        super().__init__(settings, "https://api-free.deepl.com" if key.endswith(":fx") else "https://api.deepl.com")
        self.base_url = self.base_url.removesuffix("/v2")

    def key_header(self, key: str) -> dict[str, str]:
        return {"authorization": f"DeepL-Auth-Key {key}"}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.TRANSLATION:
            raise self.unable(call)
        texts, settings = texts_of(call), self._settings(call)
        translations: list[Json] = []
        characters = 0
        response = HttpResponse(0)
        for batch in batches_of(texts):
            request = self.request("POST", "/v2/translate", json={"text": batch, **settings})
            response = yield from self.ask(request)
            rows = as_objects(object_of(response).get("translations"))
            if len(rows) != len(batch) or not all(isinstance(row.get("text"), str) for row in rows):
                raise self.undecodable(response, "a translation for each text")
            translations += [_translation(row) for row in rows]
            characters += sum(_billed(row, text) for row, text in zip(rows, batch, strict=True))
        return Reply(
            {"translations": translations},
            usage=Usage(characters=characters),
            headroom=headroom_of(response.headers, response.received_at),
            headers=response.headers,
        )

    def failure(self, response: HttpResponse) -> Failure:
        """What an answer means that is no success. DeepL has a status of its own for a used-up quota."""
        failure = super().failure(response)
        return attrs.evolve(failure, kind=FailureKind.QUOTA) if response.status == 456 else failure

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Asks for the usage, which costs nothing."""
        yield from self.ask(self.request("GET", "/v2/usage"))

    def _settings(self, call: ProviderCall) -> Json:
        body = call.body
        drop_unknown(call, _KNOWN | _OWN)
        target = code_of(body.get("target_language"), "target_language")
        settings: Json = {"target_lang": self._variant(target), "show_billed_characters": True}
        if body.get("source_language"):
            settings["source_lang"] = code_of(body["source_language"], "source_language").partition("-")[0]
        formality = body.get("formality")
        if formality is not None and as_text(formality) not in _FORMALITIES:
            call.drop("formality", f"known are {', '.join(_FORMALITIES)}")
        elif formality is not None:
            settings["formality"] = _FORMALITIES[formality]
        if call.upstream_model in _MODEL_TYPES:
            settings["model_type"] = call.upstream_model
        return settings | {name: body[name] for name in sorted(_OWN) if body.get(name) is not None}

    def _variant(self, code: str) -> str:
        """The variant that DeepL has of a language."""
        if code in _VARIANTS:
            return code
        language, _, place = code.partition("-")
        chinese = "ZH-HANT" if "HANT" in place or place in ("TW", "HK", "MO") else "ZH-HANS"
        return {
            "EN": "EN-GB" if place else self._options.english,
            "PT": "PT-PT" if place else self._options.portuguese,
            "ZH": chinese if place else "ZH",
            "ES": "ES-419" if place and place != "ES" else "ES",
        }.get(language, language)


def texts_of(call: ProviderCall) -> Sequence[str]:
    """What is to be translated. Raises ProviderError for anything but texts."""
    given = call.body.get("input")
    items = as_list(given) if isinstance(given, list) else [given]
    texts = [item for item in items if isinstance(item, str)]
    if not texts or len(texts) != len(items):
        raise refused("input: expected a text or a list of texts", "invalid_input")
    return texts


def batches_of(texts: Sequence[str]) -> Iterable[list[str]]:
    """``texts`` in order, in requests that DeepL takes."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "replace")) + 4
        if batch and (len(batch) == _TEXTS or size + length > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    yield batch


def code_of(value: object, field: str) -> str:
    """A language's code in capitals, with a hyphen before its place or script."""
    text = as_text(value).strip()
    if not _CODE.fullmatch(text):
        raise refused(f"{field}: expected a code such as de or pt-BR, found {text[:40]!r}", "invalid_language")
    language, _, rest = text.upper().replace("_", "-").partition("-")
    language = _SAME.get(language, language)
    return f"{language}-{rest}" if rest else language


def _translation(row: Json) -> Json:
    detected = as_text(row.get("detected_source_language")).lower()
    return {"text": row["text"], "detected_source_language": detected or None}


def _billed(row: Json, text: str) -> int:
    told = as_number(row.get("billed_characters"))
    return len(text) if told is None or told < 0 else int(told)
