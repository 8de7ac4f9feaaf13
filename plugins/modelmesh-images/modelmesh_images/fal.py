"""fal: a job in its queue, or one request. Every model has inputs of its own, so what is unknown here goes along."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

from modelmesh_core import (
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
    object_of,
    poll_delays,
    unknown_parameters,
)

from . import pictures
from .options import FalOptions

QUEUE, DIRECT = "https://queue.fal.run", "https://fal.run"
_NOBODY = "/fal-ai/flux/requests/00000000-0000-0000-0000-000000000000/status"
_BY_RATIO = re.compile(r"-ultra|kontext|nano-banana|imagen|gemini|/luma|ideogram/v2")
_SEVERAL = re.compile(r"nano-banana|gpt-image|/multi|seedream/v[4-9]|flux-2|qwen-image-edit-(?:plus|25)|gemini")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_OF_A_FILE = frozenset({"file", "filename", "media_type", "url", "response_format", "timestamp_granularities"})


class Fal(VendorProvider):
    """``fal.media-gen.v1``."""

    title = "fal"
    operations = frozenset({Operation.IMAGES, Operation.TRANSCRIPTION})
    error_codes = {
        "content_policy_violation": FailureKind.CONTENT_FILTER,
        "image_content_policy_violation": FailureKind.CONTENT_FILTER,
    }

    def __init__(self, settings: ProviderSettings) -> None:
        given = settings.options
        self._options = given if isinstance(given, FalOptions) else FalOptions()
        super().__init__(settings, DIRECT if self._options.synchronous else QUEUE)
        if self._options.synchronous and self.base_url == QUEUE:
            self.base_url = DIRECT

    def key_header(self, key: str) -> dict[str, str]:
        return {"authorization": f"Key {key}"}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is Operation.IMAGES:
            response = yield from self._run(call, picture_input(call))
            return self._drawn(call, response)
        if call.operation is Operation.TRANSCRIPTION:
            response = yield from self._run(call, audio_input(call))
            return self._heard(call, response)
        raise self.unable(call)

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Asks after a job that there is not: only who has a key learns that."""
        response = yield self.request("GET", _NOBODY)
        if not 200 <= response.status < 300 and response.status not in (400, 404, 405, 422):
            raise self.error(response)

    def _run(self, call: ProviderCall, arguments: Json) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        parts = [quote(part, safe="") for part in call.upstream_model.split("/") if part.strip(".")]
        response = yield from self.ask(self.request("POST", "/" + "/".join(parts), json=arguments))
        if self._options.synchronous:
            return response
        job, polls = object_of(response), poll_delays()
        identity = as_text(job.get("request_id"))
        if not identity:  # not queued at all: this is the result, or nothing is
            return response
        application = parts[:3] if parts[:1] in (["workflows"], ["comfy"]) else parts[:2]
        home = f"/{'/'.join(application)}/requests/{quote(identity, safe='')}"
        status_path = self._path(job.get("status_url"), f"{home}/status")
        while (status := as_text(job.get("status"))) != "COMPLETED":
            if status not in ("IN_QUEUE", "IN_PROGRESS"):
                raise self.undecodable(response, "a known status")
            response = yield from self.ask(self.request("GET", status_path, delay=next(polls)))
            job = {"response_url": job.get("response_url"), **object_of(response)}
        return (yield from self.ask(self.request("GET", self._path(job.get("response_url"), home))))

    def _path(self, url: Any, otherwise: str) -> str:
        """The path of a URL that an answer names, if it is here: the key goes nowhere else."""
        named = as_text(url)
        is_here = named.startswith(f"{self.base_url}/") and _PRINTABLE.fullmatch(named)
        return named.removeprefix(self.base_url) if is_here else otherwise

    def _drawn(self, call: ProviderCall, response: HttpResponse) -> Reply:
        answer = object_of(response)
        rows = as_objects(answer.get("images")) or as_objects([answer.get("image")])
        flags = as_list(answer.get("has_nsfw_concepts")) if call.body.get("enable_safety_checker") is not False else []
        data: list[Json] = []
        withheld: list[str] = []
        for place, row in enumerate(rows):
            if place < len(flags) and flags[place] is True:
                withheld.append("fal's safety checker withheld it")
            elif url := as_text(row.get("url")):
                data.append(pictures.picture_at(url))
        if not data and not withheld:
            raise self.undecodable(response, "images")
        return pictures.drawn(data, withheld, response, **{key: answer[key] for key in ("seed",) if key in answer})

    def _heard(self, call: ProviderCall, response: HttpResponse) -> Reply:
        answer = object_of(response)
        text = answer.get("text")
        if not isinstance(text, str):
            raise self.undecodable(response, "a text")
        form, body = call.body.get("response_format"), dict[str, Any](text=text)
        if form == "verbose_json":
            languages = as_list(answer.get("languages")) or as_list(answer.get("inferred_languages"))
            language = next(iter(languages), None)
            body |= {"task": "transcribe", "language": as_text(language) or as_text(answer.get("language_code"))}
            body["segments"] = [_segment(place, row) for place, row in enumerate(as_objects(answer.get("chunks")))]
        seconds = as_number(answer.get("duration"))
        return Reply(
            body,
            usage=Usage(seconds=seconds) if seconds and seconds > 0 else None,
            headers=response.headers,
            content=text.encode("utf-8", "replace") if form == "text" else None,
            media_type="text/plain" if form == "text" else None,
        )


def picture_input(call: ProviderCall) -> Json:
    """What an image model is told."""
    body, model, given = call.body, call.upstream_model, pictures.given_pictures(call)
    arguments = unknown_parameters(call, pictures.KNOWN)
    if prompt := pictures.prompt_of(call):
        arguments["prompt"] = prompt
    if (count := pictures.count_of(call)) > 1:
        arguments["num_images"] = count
    if size := pictures.size_of(call):
        by_ratio = _BY_RATIO.search(model) or min(size) < 100
        named = {"aspect_ratio": pictures.nearest_ratio(size)} if by_ratio else {"image_size": _pixels(size)}
        arguments = {**named, **arguments}
    if body.get("quality") not in (None, "auto"):
        if "gpt-image" in model:
            arguments["quality"] = body["quality"]
        else:
            call.drop("quality", "the model decides it")
    if body.get("response_format") == "b64_json":
        arguments["sync_mode"] = True
    urls = [pictures.as_url(one, "image") for one in given]
    if len(urls) > 1 or (urls and _SEVERAL.search(model)):
        arguments["image_urls"] = urls
    elif urls:
        arguments["image_url"] = urls[0]
    if body.get("mask") is not None:
        arguments["mask_url"] = pictures.as_url(body["mask"], "mask")
    return arguments


def audio_input(call: ProviderCall) -> Json:
    """What a transcription model is told."""
    body = call.body
    arguments = unknown_parameters(call, _OF_A_FILE)
    if body.get("response_format") not in (None, "json", "verbose_json", "text"):
        call.drop("response_format", "fal transcribes to json, verbose_json and text")
    granularities = as_list(body.get("timestamp_granularities"))
    if "word" in granularities:
        call.drop("timestamp_granularities", "fal's models time passages")
    audio = body.get("url") or body.get("file")
    return {"task": "transcribe", **arguments, "audio_url": pictures.as_url(audio, "file", body.get("media_type"))}


def _pixels(size: tuple[int, int]) -> Json:
    return {"width": size[0], "height": size[1]}


def _segment(place: int, chunk: Json) -> Json:
    times = [as_number(one) for one in as_list(chunk.get("timestamp"))]
    start, end = (*times, None, None)[:2]
    speaker = {"speaker": chunk["speaker"]} if as_text(chunk.get("speaker")) else {}
    return {"id": place, "start": start, "end": end, "text": as_text(chunk.get("text")), **speaker}
