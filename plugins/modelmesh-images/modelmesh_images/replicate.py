"""Replicate: images, and chat with its language models. Inputs that are unknown here go along to the model."""

from __future__ import annotations

import re

import attrs
from modelmesh_core import (
    Flow,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    Reply,
    as_list,
    as_text,
    unknown_parameters,
)

from . import pictures
from .predictions import Predictions, limits_of
from .replicate_chat import input_of, reply_of

_BY_PIXELS = re.compile(r"stable-diffusion(?!-3)|sdxl|/clipdraw")
_INPUTS = (
    (re.compile(r"kontext"), "input_image", False),
    (re.compile(r"nano-banana|seedream|gemini"), "image_input", True),
    (re.compile(r"gpt-image|flux-2"), "input_images", True),
    (re.compile(r"flux-1\.1|flux-redux"), "image_prompt", False),
)
"""Model → name of the input for a picture, and whether it takes several. Other models call it ``image``."""


class Replicate(Predictions):
    """``replicate.inference.v1``."""

    operations = frozenset({Operation.IMAGES, Operation.CHAT})

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is Operation.CHAT:
            prediction, first = yield from self.predict(call, input_of(call))
            return attrs.evolve(reply_of(self, prediction, first), headroom=limits_of(first), headers=first.headers)
        if call.operation is not Operation.IMAGES:
            raise self.unable(call)
        arguments = picture_input(call)
        data: list[Json] = []
        first = HttpResponse(0)
        for place in range(pictures.count_of(call)):
            prediction, first = yield from self.predict(call, {**arguments, **pictures.seeded(call, place)})
            made = self._pictures(prediction, first)
            data += made
        if call.body.get("response_format") == "b64_json" and any("url" in one for one in data):
            call.drop("response_format", "Replicate hands images over as URLs, which hold for an hour")
        return self._drawn(data, first)

    def _drawn(self, data: list[Json], first: HttpResponse) -> Reply:
        return attrs.evolve(pictures.drawn(data, (), first), headroom=limits_of(first))

    def _pictures(self, prediction: Json, response: HttpResponse) -> list[Json]:
        output = prediction.get("output")
        urls = [url for one in (as_list(output) or [output]) if (url := as_text(one))]
        made = [pictures.picture_at(url) for url in urls if url.startswith(("https://", "http://", "data:"))]
        if not made:
            raise self.undecodable(response, "the URL of an image")
        return made


def picture_input(call: ProviderCall) -> Json:
    """What an image model is told."""
    body, model, given = call.body, call.upstream_model, pictures.given_pictures(call)
    arguments = unknown_parameters(call, pictures.KNOWN)
    if prompt := pictures.prompt_of(call):
        arguments["prompt"] = prompt
    if size := pictures.size_of(call):
        by_pixels = _BY_PIXELS.search(model) and min(size) >= 64
        pixels = {"width": size[0], "height": size[1]}
        arguments = {**(pixels if by_pixels else {"aspect_ratio": pictures.nearest_ratio(size)}), **arguments}
    if body.get("quality") not in (None, "auto"):
        if "gpt-image" in model:
            arguments["quality"] = body["quality"]
        else:
            call.drop("quality", "the model decides it")
    field, takes_several = next(
        ((name, many) for pattern, name, many in _INPUTS if pattern.search(model)), ("image", False)
    )
    urls = [pictures.as_url(one, "image") for one in given]
    if len(urls) > 1 and not takes_several:
        call.drop("image", "the model works on one picture: the first was taken")
    if urls:
        arguments[field] = urls if takes_several else urls[0]
    if body.get("mask") is not None:
        arguments["mask"] = pictures.as_url(body["mask"], "mask")
    return arguments
