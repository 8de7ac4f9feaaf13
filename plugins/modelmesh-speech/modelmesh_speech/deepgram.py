"""Deepgram: speech with Aura, transcription with Nova. What is wanted stands in the query."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence

from modelmesh_core import (
    CatalogueModel,
    FailureKind,
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    VendorProvider,
    as_list,
    as_number,
    as_object,
    as_objects,
    as_text,
    drop_unknown,
    file_of,
    object_of,
)

from . import speech, transcript

_FORMATS = {
    "mp3": {"encoding": "mp3"},
    "opus": {"encoding": "opus", "container": "ogg"},
    "wav": {"encoding": "linear16", "container": "wav", "sample_rate": "24000"},
    "pcm": {"encoding": "linear16", "container": "none", "sample_rate": "24000"},
    "aac": {"encoding": "aac"},
    "flac": {"encoding": "flac"},
}
_OWN = frozenset(
    {"diarize", "punctuate", "smart_format", "paragraphs", "filler_words", "profanity_filter", "numerals", "keyterm"}
    | {"keywords", "redact", "replace", "search", "measurements", "dictation", "multichannel", "mip_opt_out", "tag"}
    | {"utterances", "utt_split"}
)
Query = dict[str, "str | Sequence[str]"]
_VOICED = re.compile(r"(aura(?:-\d+)?)-(\w+)-(\w+)")
_VOICE_NAME = re.compile(r"[a-z]+")


class Deepgram(VendorProvider):
    """``deepgram.speech.v1``."""

    title = "Deepgram"
    operations = frozenset({Operation.SPEECH, Operation.TRANSCRIPTION})
    takes_stored = True
    error_codes = {
        "invalid_auth": FailureKind.AUTHENTICATION,
        "asr_payment_required": FailureKind.AUTHENTICATION,
        "insufficient_permissions": FailureKind.AUTHENTICATION,
        "too_many_requests": FailureKind.RATE_LIMIT,
        "slow_upload": FailureKind.SERVER,
    }

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.deepgram.com")

    def key_header(self, key: str) -> dict[str, str]:
        is_token = key.startswith("eyJ") and key.count(".") == 2  # granted for a while, instead of a key
        return {"authorization": f"{'Bearer' if is_token else 'Token'} {key}"}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is Operation.SPEECH:
            return (yield from self._speak(call))
        if call.operation is Operation.TRANSCRIPTION:
            return (yield from self._hear(call))
        raise self.unable(call)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /v1/models`` lists."""
        response = yield from self.ask(self.request("GET", "/v1/models"))
        listed, found = object_of(response), dict[str, CatalogueModel]()
        for key, capability in (("stt", "speech-to-text"), ("tts", "text-to-speech")):
            for row in as_objects(listed.get(key)):
                if name := as_text(row.get("canonical_name")):
                    found[name] = CatalogueModel(f"{self.name}.{name}", (capability,), upstream_model=name)
        return list(found.values())

    def _speak(self, call: ProviderCall) -> Generator[HttpRequest, HttpResponse, Reply]:
        text = speech.text_of(call)
        drop_unknown(call, speech.KNOWN | {"mip_opt_out", "tag"})
        if call.body.get("instructions"):
            call.drop("instructions", "Deepgram's voices take none")
        sound = speech.format_of(call, frozenset(_FORMATS))
        query: Query = {"model": _voice(call), **_FORMATS[sound], **_own(call, frozenset({"mip_opt_out", "tag"}))}
        speed = speech.speed_of(call, 0.7, 1.5)
        if speed != 1:
            query["speed"] = f"{speed:g}"
        response = yield from self.ask(self.request("POST", "/v1/speak", query=query, json={"text": text}))
        told = response.headers.get("dg-char-count", "")
        characters = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else len(text)
        return speech.spoken(self, call, response, sound, characters)

    def _hear(self, call: ProviderCall) -> Generator[HttpRequest, HttpResponse, Reply]:
        query: Query = {"model": call.upstream_model, **hearing(call)}
        if url := as_text(call.body.get("url")):
            request = self.request("POST", "/v1/listen", query=query, json={"url": url})
        else:
            file = file_of(call.body.get("file"), "file", None, call.body.get("media_type"))
            headers = {"content-type": file.media_type}
            request = self.request("POST", "/v1/listen", query=query, content=file.content, headers=headers)
        response = yield from self.ask(request)
        answer = object_of(response)
        if not as_objects(as_object(answer.get("results")).get("channels")):
            raise self.undecodable(response, "channels of a transcript")
        return transcript.reply_of(call, heard_in(answer), response)


def hearing(call: ProviderCall) -> Query:
    """What a transcription asks for."""
    drop_unknown(call, transcript.KNOWN | _OWN | {"url"})
    for name in ("prompt", "temperature"):
        if call.body.get(name):
            call.drop(name, "keyterm can name the words that matter" if name == "prompt" else "Deepgram has none")
    query: Query = {"smart_format": "true", **_own(call, _OWN)}
    language = as_text(call.body.get("language"))
    query |= {"language": language} if language else {"detect_language": "true"}
    if transcript.wants_segments(call):
        query.setdefault("utterances", "true")
    if transcript.format_of(call) == "diarized_json":
        query.setdefault("diarize", "true")
    return query


def heard_in(answer: Json) -> transcript.Transcript:
    """Deepgram's transcript; several channels one after the other."""
    results = as_object(answer.get("results"))
    channels = as_objects(results.get("channels"))
    best = [next(iter(as_objects(channel.get("alternatives"))), dict[str, str]()) for channel in channels]
    texts = [text for one in best if (text := as_text(one.get("transcript")))]
    words: list[Json] = []
    for one in best:
        for row in as_objects(one.get("words")):
            text = as_text(row.get("punctuated_word")) or as_text(row.get("word"))
            words.append(transcript.word_of(row, text))
    return transcript.Transcript(
        text="\n".join(texts),
        language=next((name for one in channels if (name := as_text(one.get("detected_language")))), ""),
        duration=as_number(as_object(answer.get("metadata")).get("duration")),
        words=words,
        segments=[
            transcript.timed(row, as_text(row.get("transcript"))) for row in as_objects(results.get("utterances"))
        ],
    )


def _voice(call: ProviderCall) -> str:
    """The model, whose name holds its voice and its language: another voice makes it another model."""
    wanted, own = speech.voice_of(call), _VOICED.fullmatch(call.upstream_model)
    if _VOICED.fullmatch(wanted):
        return wanted
    if own and _VOICE_NAME.fullmatch(wanted) and wanted not in speech.OPENAI_VOICES:
        return f"{own[1]}-{wanted}-{own[3]}"
    if wanted:
        call.drop("voice", f"Deepgram has no voice of this name: {call.upstream_model} was used")
    return call.upstream_model


def _own(call: ProviderCall, names: frozenset[str]) -> Query:
    """Deepgram's own parameters; of a list each item by itself."""
    found: Query = {}
    for name in sorted(names):
        value = call.body.get(name)
        items = as_list(value) if isinstance(value, list) else [value]
        written = [str(item).lower() if isinstance(item, bool) else str(item) for item in items if _is_plain(item)]
        if written:
            found[name] = written if isinstance(value, list) else written[0]
    return found


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, bool, int, float))
