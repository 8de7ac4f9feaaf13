"""AssemblyAI: the audio is uploaded, a job is submitted, and asked for until it is done."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

from modelmesh_core import (
    Failure,
    FailureKind,
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    VendorProvider,
    as_number,
    as_objects,
    as_text,
    drop_unknown,
    file_of,
    object_of,
    poll_delays,
    provider_error,
)

from . import transcript

_OWN = frozenset(
    {"keyterms_prompt", "speaker_labels", "speakers_expected", "punctuate", "format_text", "disfluencies"}
    | {"filter_profanity", "multichannel", "redact_pii", "redact_pii_policies", "redact_pii_sub", "domain"}
)
_LEGACY = frozenset({"best", "nano", "slam-1", "universal"})
_THEIR_FAULT = re.compile(r"server error|internal error|try again|timed? ?out|temporar|upload(?:ed)? .*expired", re.I)


class AssemblyAI(VendorProvider):
    """``assemblyai.stt.v1``."""

    title = "AssemblyAI"
    operations = frozenset({Operation.TRANSCRIPTION})
    takes_stored = True

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.assemblyai.com")

    def key_header(self, key: str) -> dict[str, str]:
        return {"authorization": key}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.TRANSCRIPTION:
            raise self.unable(call)
        job = job_of(call)
        url = as_text(call.body.get("url"))
        if not url:
            content = file_of(call.body.get("file"), "file").content
            headers = {"content-type": "application/octet-stream"}
            response = yield from self.ask(self.request("POST", "/v2/upload", content=content, headers=headers))
            url = as_text(object_of(response).get("upload_url"))
            if not url:
                raise self.undecodable(response, "an upload_url")
        response = yield from self.ask(self.request("POST", "/v2/transcript", json={"audio_url": url, **job}))
        answer, polls = object_of(response), poll_delays()
        identity = as_text(answer.get("id"))
        path = f"/v2/transcript/{quote(identity, safe='')}"
        while (status := as_text(answer.get("status"))) in ("queued", "processing") and identity:
            response = yield from self.ask(self.request("GET", path, delay=next(polls)))
            answer = object_of(response)
        if status == "error":
            raise failed(answer)
        if status != "completed" or not isinstance(answer.get("text"), (str, type(None))):
            raise self.undecodable(response, "a transcript's id and status" if not identity else "a known status")
        sentences: Any = None
        if transcript.wants_segments(call) and not answer.get("utterances"):
            response = yield from self.ask(self.request("GET", f"{path}/sentences"))
            sentences = object_of(response).get("sentences")
        return transcript.reply_of(call, heard_in(answer, sentences), response)

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Lists one transcript."""
        yield from self.ask(self.request("GET", "/v2/transcript", query={"limit": "1"}))


def job_of(call: ProviderCall) -> Json:
    """What is to be done with the audio."""
    body, model = call.body, call.upstream_model
    drop_unknown(call, transcript.KNOWN | _OWN | {"url"})
    job: Json = {name: body[name] for name in sorted(_OWN) if body.get(name) is not None}
    job |= {"speech_model": model} if model in _LEGACY else {"speech_models": [model]}
    if language := as_text(body.get("language")):
        job["language_code"] = language.lower().replace("-", "_")
    else:
        job["language_detection"] = True
    for name in ("prompt", "temperature"):
        if body.get(name) is None:
            continue
        if model.startswith("universal-3"):
            job[name] = body[name]
        else:
            call.drop(name, "only the models universal-3 have it")
    if transcript.format_of(call) == "diarized_json":
        job.setdefault("speaker_labels", True)
    return job


def heard_in(answer: Json, sentences: Any = None) -> transcript.Transcript:
    """A finished transcript, whose times are milliseconds. Its passages are its utterances, else ``sentences``."""
    passages = as_objects(answer.get("utterances")) or as_objects(sentences)
    words = [row for row in as_objects(answer.get("words")) if as_text(row.get("text"))]
    return transcript.Transcript(
        text=as_text(answer.get("text")),
        language=as_text(answer.get("language_code")),
        duration=as_number(answer.get("audio_duration")),
        words=[transcript.word_of(row, row["text"], 0.001) for row in words],
        segments=[transcript.timed(row, as_text(row.get("text")), 0.001) for row in passages],
    )


def failed(answer: Json) -> ProviderError:
    """A job that could not be done: mostly because of its audio, seldom of the service."""
    message = as_text(answer.get("error")) or "the transcription failed, and no reason was given"
    is_theirs = _THEIR_FAULT.search(message) is not None or not answer.get("error")
    kind = FailureKind.SERVER if is_theirs else FailureKind.INVALID_REQUEST
    return provider_error(
        Failure(kind, message, status=None if is_theirs else 400, code="transcript_error", body=answer)
    )
