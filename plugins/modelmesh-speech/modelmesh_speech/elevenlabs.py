"""ElevenLabs: speech by voice ids or names, transcription with Scribe."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from urllib.parse import quote

from modelmesh_core import (
    CatalogueModel,
    FailureKind,
    Flow,
    FormFile,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    VendorProvider,
    as_number,
    as_object,
    as_objects,
    as_text,
    drop_unknown,
    encode_form,
    file_of,
    object_of,
    refused,
)

from . import speech, transcript
from .options import ElevenLabsOptions

_OUTPUTS = {"mp3": "mp3_44100_128", "opus": "opus_48000_128", "pcm": "pcm_24000", "wav": "pcm_24000"}
"""WAV gets its header here: accounts of every size may have samples of 24 kHz, but not every rate as WAV."""
_OWN_SPEECH = frozenset(
    {"voice_settings", "language_code", "seed", "previous_text", "next_text", "apply_text_normalization"}
    | {"pronunciation_dictionary_locators"}
)
_OWN_HEARING = frozenset({"num_speakers", "diarize", "tag_audio_events", "seed"})
_VOICE_ID = re.compile(r"[A-Za-z0-9]{20}")


class ElevenLabs(VendorProvider):
    """``elevenlabs.tts.v1``."""

    title = "ElevenLabs"
    operations = frozenset({Operation.SPEECH, Operation.TRANSCRIPTION})
    takes_stored = True
    error_codes = {
        "quota_exceeded": FailureKind.QUOTA,
        "insufficient_credits": FailureKind.QUOTA,
        "max_character_limit_exceeded": FailureKind.CONTEXT_LENGTH,
        "text_too_long": FailureKind.CONTEXT_LENGTH,
        "voice_not_found": FailureKind.INVALID_REQUEST,
        "voice_access_denied": FailureKind.INVALID_REQUEST,
        "too_many_concurrent_requests": FailureKind.RATE_LIMIT,
        "concurrent_limit_exceeded": FailureKind.RATE_LIMIT,
        "system_busy": FailureKind.SERVER,
        "content_against_policy": FailureKind.CONTENT_FILTER,
        "detected_unusual_activity": FailureKind.AUTHENTICATION,
    }

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.elevenlabs.io")
        given = settings.options
        self._options = given if isinstance(given, ElevenLabsOptions) else ElevenLabsOptions()
        self._found: dict[str, str] = {}

    def key_header(self, key: str) -> dict[str, str]:
        return {"xi-api-key": key}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is Operation.SPEECH:
            return (yield from self._speak(call))
        if call.operation is Operation.TRANSCRIPTION:
            return (yield from self._hear(call))
        raise self.unable(call)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /v1/models`` lists that can speak."""
        response = yield from self.ask(self.request("GET", "/v1/models"))
        rows = [row for row in as_objects(response.json()) if row.get("can_do_text_to_speech") is True]
        names = [name for row in rows if (name := as_text(row.get("model_id")))]
        return [CatalogueModel(f"{self.name}.{name}", ("text-to-speech",), upstream_model=name) for name in names]

    def _speak(self, call: ProviderCall) -> Flow:
        text = speech.text_of(call)
        drop_unknown(call, speech.KNOWN | _OWN_SPEECH | {"output_format"})
        if call.body.get("instructions"):
            call.drop("instructions", "write audio tags into the text, such as [whispers]")
        own = as_text(call.body.get("output_format"))
        sound = own.partition("_")[0] if own else speech.format_of(call, frozenset(_OUTPUTS))
        body: Json = {"text": text, "model_id": call.upstream_model}
        body |= {name: call.body[name] for name in _OWN_SPEECH if call.body.get(name) is not None}
        speed = speech.speed_of(call, 0.7, 1.2)
        if speed != 1:
            body["voice_settings"] = {**as_object(body.get("voice_settings")), "speed": speed}
        voice = yield from self._voice(call)
        path, query = f"/v1/text-to-speech/{quote(voice, safe='')}", {"output_format": own or _OUTPUTS[sound]}
        response = yield from self.ask(self.request("POST", path, query=query, json=body))
        reply = speech.spoken(self, call, response, sound, len(text))
        return speech.as_wave(reply, 24_000) if sound == "wav" and not own else reply

    def _voice(self, call: ProviderCall) -> Generator[HttpRequest, HttpResponse, str]:
        """The id of the voice. Names are looked up among the account's voices, and remembered."""
        wanted = speech.voice_of(call)
        if known := self._options.voices.get(wanted) or self._found.get(wanted):
            return known
        if not wanted or wanted in speech.OPENAI_VOICES:
            if wanted:
                call.drop("voice", "it is one of OpenAI's; the option voices can say who speaks for it")
            return self._options.default_voice
        if _VOICE_ID.fullmatch(wanted):
            return wanted
        query = {"search": wanted, "page_size": "100"}
        response = yield from self.ask(self.request("GET", "/v2/voices", query=query))
        for row in as_objects(object_of(response).get("voices")):
            name, identity = as_text(row.get("name")), as_text(row.get("voice_id"))
            if identity and wanted.casefold() in (name.casefold(), name.partition(" - ")[0].strip().casefold()):
                self._found[wanted] = identity
                return identity
        raise refused(f"voice: the account has none of the name {wanted[:80]!r}", "voice_not_found")

    def _hear(self, call: ProviderCall) -> Generator[HttpRequest, HttpResponse, Reply]:
        body = call.body
        drop_unknown(call, transcript.KNOWN | _OWN_HEARING)
        if body.get("prompt"):
            call.drop("prompt")
        fields: list[tuple[str, str | FormFile]] = [("model_id", call.upstream_model)]
        if language := as_text(body.get("language")):
            fields.append(("language_code", language.partition("-")[0].lower()))
        if transcript.format_of(call) == "diarized_json" and body.get("diarize") is None:
            fields.append(("diarize", "true"))
        for name in ("temperature", *sorted(_OWN_HEARING)):
            value = body.get(name)
            if isinstance(value, bool) or as_number(value) is not None:
                fields.append((name, str(value).lower()))
        fields.append(("file", file_of(body.get("file"), "file", body.get("filename"), body.get("media_type"))))
        media_type, content = encode_form(fields)
        request = self.request("POST", "/v1/speech-to-text", content=content, headers={"content-type": media_type})
        response = yield from self.ask(request)
        answer = object_of(response)
        if not isinstance(answer.get("text"), str):
            raise self.undecodable(response, "a text")
        return transcript.reply_of(call, heard_in(answer), response)


def heard_in(answer: Json) -> transcript.Transcript:
    """Scribe's transcript. Between its words it lists the spaces."""
    rows = [row for row in as_objects(answer.get("words")) if row.get("type") != "spacing" and as_text(row.get("text"))]
    return transcript.Transcript(
        text=as_text(answer.get("text")),
        language=as_text(answer.get("language_code")),
        duration=as_number(answer.get("audio_duration_secs")),
        words=[transcript.word_of(row, row["text"]) for row in rows],
        segments=_turns(as_objects(answer.get("words"))),
    )


def _turns(rows: list[Json]) -> list[Json]:
    """What one speaker says until another does."""
    turns: list[Json] = []
    for row in rows:
        piece = transcript.timed(row, as_text(row.get("text")))
        if not turns or turns[-1].get("speaker") != piece.get("speaker"):
            piece.pop("logprob", None)
            turns.append(piece)
        else:
            turns[-1] = {**turns[-1], "end": piece["end"], "text": turns[-1]["text"] + piece["text"]}
    return [{**turn, "text": turn["text"].strip()} for turn in turns if turn["text"].strip()]
