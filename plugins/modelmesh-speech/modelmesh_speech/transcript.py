"""A transcript, whoever made it → the answer in the form that the caller asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from modelmesh_core import HttpResponse, Json, ProviderCall, Reply, Usage, as_list, as_number, as_text, headroom_of

FORMATS = frozenset({"json", "verbose_json", "diarized_json", "text", "srt", "vtt"})
KNOWN = frozenset(
    {
        "file",
        "filename",
        "media_type",
        "language",
        "prompt",
        "response_format",
        "temperature",
        "timestamp_granularities",
    }
)
_LONGEST = 84
"""Characters in a subtitle that is put together from words: two lines of the usual length."""


@attrs.frozen
class Transcript:
    """What was heard. Times are seconds."""

    text: str
    language: str = ""
    duration: float | None = None
    words: Sequence[Json] = ()
    """``word``, ``start``, ``end``, and what else the vendor tells of a word."""
    segments: Sequence[Json] = ()
    """``text``, ``start``, ``end``, and what else the vendor tells of a passage, such as its ``speaker``."""


def format_of(call: ProviderCall) -> str:
    """The form of the answer; ``json`` if the caller asks for one that nobody knows."""
    wanted = as_text(call.body.get("response_format")) or "json"
    if wanted in FORMATS:
        return wanted
    call.drop("response_format", f"known are {', '.join(sorted(FORMATS))}")
    return "json"


def wants_segments(call: ProviderCall) -> bool:
    """Whether the answer will show passages."""
    return format_of(call) in ("verbose_json", "diarized_json", "srt", "vtt")


def reply_of(call: ProviderCall, heard: Transcript, response: HttpResponse) -> Reply:
    """The answer. In the formats that are no JSON it is ``text`` as well as ``content``."""
    form, written = format_of(call), heard.text
    if form in ("srt", "vtt"):
        written = subtitles(heard, form)
    is_text = form in ("text", "srt", "vtt")
    return Reply(
        {"text": written} if is_text else _body(call, heard, form),
        usage=Usage(seconds=heard.duration) if heard.duration else None,
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
        content=written.encode("utf-8", "replace") if is_text else None,
        media_type=("text/vtt" if form == "vtt" else "text/plain") if is_text else None,
    )


def timed(word: Json, text: str, scale: float = 1.0, **renamed: Any) -> Json:
    """A word or a passage with its times in seconds, and what else the vendor tells of it."""
    start, end = as_number(word.get("start")) or 0.0, as_number(word.get("end")) or 0.0
    details = {key: word[key] for key in ("confidence", "logprob", "channel") if as_number(word.get(key)) is not None}
    speaker = word.get("speaker", word.get("speaker_id"))
    named = {"speaker": str(speaker)} if isinstance(speaker, (str, int)) and not isinstance(speaker, bool) else {}
    return {**renamed, "start": round(start * scale, 3), "end": round(end * scale, 3), **details, **named, "text": text}


def word_of(word: Json, text: str, scale: float = 1.0) -> Json:
    """A word as ``words`` hold it."""
    row = timed(word, text, scale)
    return {"word": row.pop("text"), **row}


def subtitles(heard: Transcript, form: str) -> str:
    """SubRip or WebVTT."""
    comma = "," if form == "srt" else "."
    blocks = ["WEBVTT"] if form == "vtt" else []
    for number, cue in enumerate(heard.segments or _lines(heard.words), 1):
        text = " ".join(str(cue["text"]).replace("-->", "->").split())
        number_line = f"{number}\n" if form == "srt" else ""
        blocks.append(f"{number_line}{_clock(cue['start'], comma)} --> {_clock(cue['end'], comma)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def _body(call: ProviderCall, heard: Transcript, form: str) -> Json:
    body: Json = {"text": heard.text}
    if form in ("verbose_json", "diarized_json"):
        language = heard.language or as_text(call.body.get("language"))
        body = {"task": "transcribe", "language": language, "duration": heard.duration, **body}
        granularities = as_list(call.body.get("timestamp_granularities"))
        if form == "diarized_json" or not granularities or "segment" in granularities:
            body["segments"] = [{"id": place, **segment} for place, segment in enumerate(heard.segments)]
        if "word" in granularities:
            body["words"] = list(heard.words)
    if heard.duration:
        body["usage"] = {"type": "duration", "seconds": heard.duration}
    return body


def _lines(words: Sequence[Json]) -> list[Json]:
    """Words in lines that end with a sentence, or when they are long enough."""
    lines: list[Json] = []
    ended = True
    for word in words:
        if ended or len(lines[-1]["text"]) + len(word["word"]) >= _LONGEST:
            lines.append({"start": word["start"], "end": word["end"], "text": word["word"]})
        else:
            lines[-1] = {**lines[-1], "end": word["end"], "text": f"{lines[-1]['text']} {word['word']}"}
        ended = word["word"].endswith((".", "!", "?", "。"))
    return lines


def _clock(seconds: float, comma: str) -> str:
    milliseconds = round(max(seconds, 0.0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{comma}{rest % 1000:03}"
