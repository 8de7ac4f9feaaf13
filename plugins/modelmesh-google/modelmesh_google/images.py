"""Images: Imagen's ``predict``, and Gemini's image models, which answer a chat with pictures."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    Headers,
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    Usage,
    as_list,
    as_object,
    as_objects,
    as_text,
    headroom_of,
    provider_error,
    usage_of,
)

from .endpoint import Endpoint
from .errors import error_in, failure_of_error
from .families import family_of
from .media import from_bytes, from_url
from .shapes import as_count, refuse
from .usage import usage_in

_MOST = 10
_IMAGEN_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
_GEMINI_RATIOS = (*_IMAGEN_RATIOS, "2:3", "3:2", "4:5", "5:4", "21:9")
_READ = frozenset({"model", "prompt", "n", "size", "quality", "response_format", "image", "mask", "user", "stream"})


@attrs.define
class _Gathered:
    data: list[Json] = attrs.field(factory=list[Json])
    usage: Usage | None = None
    reasons: list[str] = attrs.field(factory=list[str])
    """Why images were withheld."""
    headers: Headers = attrs.field(factory=Headers)
    received_at: float = 0.0


def draw(call: ProviderCall, endpoint: Endpoint) -> Generator[HttpRequest, HttpResponse, Reply]:
    """The flow of an images call. Gemini's models make one image a request, so they are asked ``n`` times."""
    prompt = call.body.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        refuse("prompt: expected a text", "invalid_prompt")
    _drop_unknown(call)
    count = min(as_count(call.body.get("n")) or 1, _MOST)
    found = _Gathered()
    if family_of(call.upstream_model).is_imagen:
        response = yield from endpoint.ask(call.upstream_model, "predict", _imagen_request(call, count))
        _gather_predictions(found, response)
    else:
        request = _gemini_request(call)
        for _ in range(count):
            response = yield from endpoint.ask(call.upstream_model, "generateContent", request)
            _gather_parts(found, response)
    if not found.data:
        raise provider_error(_withheld(found))
    usage = attrs.evolve(found.usage or Usage(), images=len(found.data))
    return Reply(
        {"created": int(found.received_at), "data": found.data},
        usage=usage,
        headroom=headroom_of(found.headers, found.received_at),
        headers=found.headers,
    )


def _drop_unknown(call: ProviderCall) -> None:
    body = call.body
    for name, value in body.items():
        if name not in _READ and value is not None:
            call.drop(name)
    if body.get("quality") not in (None, "auto"):
        call.drop("quality")
    if body.get("response_format") == "url":
        call.drop("response_format", "Google hands images over in base64 only")
    if body.get("mask") is not None:
        call.drop("mask", "describe in the prompt what is to be changed")


def _imagen_request(call: ProviderCall, count: int) -> Json:
    if call.body.get("image"):
        refuse("Imagen makes new images only: a Gemini image model edits them", "unsupported_parameter")
    return {
        "instances": [{"prompt": call.body["prompt"]}],
        "parameters": {"sampleCount": count, **_size(call, _IMAGEN_RATIOS, "sampleImageSize")},
    }


def _gemini_request(call: ProviderCall) -> Json:
    given = call.body.get("image")
    images = [_image(one) for one in (as_list(given) or [given]) if one]
    config: Json = {"responseModalities": ["TEXT", "IMAGE"]}
    size = _size(call, _GEMINI_RATIOS, "imageSize")
    if size.get("imageSize") and (family_of(call.upstream_model).generation or (3, 0)) < (3, 0):
        del size["imageSize"]
        call.drop("size", "the model makes images of about a million pixels; it was told the proportions")
    if size:
        config["imageConfig"] = size
    return {
        "contents": [{"role": "user", "parts": [{"text": call.body["prompt"]}, *images]}],
        "generationConfig": config,
    }


def _image(given: Any) -> Json:
    if isinstance(given, (bytes, bytearray)):
        return from_bytes(bytes(given))
    url = as_text(given) or as_text(as_object(given).get("url")) or as_text(as_object(given).get("image_url"))
    return from_url(url, "image/png") if url else refuse("image: expected bytes or a URL", "invalid_image")


def _size(call: ProviderCall, ratios: tuple[str, ...], field: str) -> Json:
    """The proportions nearest to ``size`` (``1024x1536``), and the size in thousands of pixels if it is a large one."""
    given = as_text(call.body.get("size"))
    if not given or given == "auto":
        return {}
    width, _, height = given.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width[:6]) > 0 and int(height[:6]) > 0):
        if given in ratios:
            return {"aspectRatio": given}
        refuse(f"size: expected a width and a height such as 1024x1024, found {given[:40]!r}", "invalid_size")
    wanted = int(width[:6]) / int(height[:6])

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        own = int(across) / int(down)
        return max(own / wanted, wanted / own)

    large = max(int(width[:6]), int(height[:6]))
    pixels = {field: "4K" if large >= 3840 and field == "imageSize" else "2K"} if large >= 2048 else {}
    return {"aspectRatio": min(ratios, key=distance), **pixels}


def _answer(found: _Gathered, response: HttpResponse) -> Json:
    decoded: Any = response.json()
    error = error_in(decoded)
    if error is not None:
        raise provider_error(failure_of_error(error, decoded))
    found.headers, found.received_at = response.headers, response.received_at
    return as_object(decoded)


def _gather_predictions(found: _Gathered, response: HttpResponse) -> None:
    body = _answer(found, response)
    for one in as_objects(body.get("predictions")):
        data = as_text(one.get("bytesBase64Encoded"))
        if data:
            prompt = {"revised_prompt": one["prompt"]} if as_text(one.get("prompt")) else {}
            found.data.append({"b64_json": data, **prompt})
        elif as_text(one.get("raiFilteredReason")):
            found.reasons.append(one["raiFilteredReason"])
    if not body.get("predictions") and "predictions" not in body and body:
        names = ", ".join(list(body)[:8])
        message = f"HTTP {response.status} with a body that has no predictions (it has: {names})"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=body))


def _gather_parts(found: _Gathered, response: HttpResponse) -> None:
    body = _answer(found, response)
    used = usage_of(usage_in(body.get("usageMetadata")))
    if used is not None:
        found.usage = used if found.usage is None else found.usage + used
    feedback = as_object(body.get("promptFeedback"))
    candidates = as_objects(body.get("candidates"))
    if feedback.get("blockReason"):
        found.reasons.append(as_text(feedback.get("blockReasonMessage")) or str(feedback["blockReason"]))
    elif not candidates:
        names = ", ".join(list(body)[:8]) or "nothing"
        message = f"HTTP {response.status} with a body that has no candidates (it has: {names})"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=body))
    for candidate in candidates:
        before = len(found.data)
        said: list[str] = []
        for part in as_objects(as_object(candidate.get("content")).get("parts")):
            data = as_text(as_object(part.get("inlineData")).get("data"))
            if part.get("thought") is True:
                continue
            if data:
                found.data.append({"b64_json": data})
            elif as_text(part.get("text")):
                said.append(part["text"])
        if len(found.data) == before:
            told = as_text(candidate.get("finishMessage")) or "".join(said)[:500]
            found.reasons.append(told or as_text(candidate.get("finishReason")) or "no reason given")


def _withheld(found: _Gathered) -> Failure:
    reasons = "; ".join(dict.fromkeys(found.reasons)) or "no reason given"
    return Failure(FailureKind.CONTENT_FILTER, f"no image was made: {reasons}", status=400, code="no_image")
