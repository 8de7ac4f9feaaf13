"""Stability AI: one picture a request, made, edited, enlarged."""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import quote

from modelmesh_core import (
    FailureKind,
    Flow,
    FormFile,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    VendorProvider,
    as_text,
    drop_unknown,
    encode_form,
    file_of,
    object_of,
    poll_delays,
    refused,
)

from . import pictures

_ROOT = "/v2beta/stable-image"
_MAKES = {f"{prefix}{name}": f"generate/{name}" for prefix in ("", "stable-image-") for name in ("core", "ultra")}
_EDITS = {
    name: f"{room}/{name}"
    for room, names in {
        "edit": "inpaint erase outpaint search-and-replace search-and-recolor remove-background "
        "replace-background-and-relight",
        "upscale": "fast conservative creative",
        "control": "sketch structure style style-transfer",
    }.items()
    for name in names.split()
}
_FILES = {"edit/replace-background-and-relight": "subject_image", "control/style-transfer": "init_image"}
"""Where the picture has another name."""
_PROMPTLESS = frozenset({"edit/erase", "edit/remove-background", "upscale/fast"})
_OWN = frozenset(
    {"negative_prompt", "seed", "aspect_ratio", "style_preset", "strength", "cfg_scale", "output_format", "grow_mask"}
    | {"search_prompt", "select_prompt", "left", "right", "up", "down", "creativity", "control_strength", "fidelity"}
    | {"background_prompt", "foreground_prompt", "preserve_original_subject", "light_source_direction"}
    | {"light_source_strength", "original_background_depth", "keep_original_background", "style_strength"}
    | {"composition_fidelity", "change_strength"}
)
_RATIOS = ("1:1", "16:9", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
_STRENGTH = "0.7"


class Stability(VendorProvider):
    """``stability.image-gen.v1``."""

    title = "Stability AI"
    operations = frozenset({Operation.IMAGES})
    error_codes = {"content_moderation": FailureKind.CONTENT_FILTER, "payment_required": FailureKind.AUTHENTICATION}

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.stability.ai")

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.IMAGES:
            raise self.unable(call)
        path, fields = form_of(call)
        data: list[Json] = []
        withheld: list[str] = []
        response = HttpResponse(0)
        for place in range(pictures.count_of(call)):
            seed = [("seed", str(seed)) for seed in pictures.seeded(call, place).values()]
            response = yield from self._draw(path, [*fields, *seed])
            answer = object_of(response)
            image, reason = as_text(answer.get("image")) or as_text(answer.get("result")), answer.get("finish_reason")
            if reason == "CONTENT_FILTERED":
                withheld.append("Stability AI's content filter withheld it")
            elif image:
                data.append({"b64_json": image, **({"seed": answer["seed"]} if "seed" in answer else {})})
            else:
                raise self.undecodable(response, "an image")
        return pictures.drawn(data, withheld, response)

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Asks for the balance."""
        yield from self.ask(self.request("GET", "/v1/user/balance"))

    def _draw(
        self, path: str, fields: list[tuple[str, str | FormFile]]
    ) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        media_type, content = encode_form(fields)
        headers = {"content-type": media_type, "accept": "application/json"}
        response = yield from self.ask(self.request("POST", f"{_ROOT}/{path}", content=content, headers=headers))
        identity, polls = as_text(object_of(response).get("id")), poll_delays(1.0, 10.0)
        if not identity or object_of(response).get("image"):
            return response
        result = f"/v2beta/results/{quote(identity, safe='')}"
        while True:
            request = self.request("GET", result, headers={"accept": "application/json"}, delay=next(polls))
            response = yield from self.ask(request)
            if response.status != 202:
                return response


def form_of(call: ProviderCall) -> tuple[str, list[tuple[str, str | FormFile]]]:
    """Where the call goes, and what goes with it."""
    body, given, model = call.body, pictures.given_pictures(call), call.upstream_model
    drop_unknown(call, pictures.KNOWN | _OWN)
    if body.get("quality") not in (None, "auto"):
        call.drop("quality", "the model decides it")
    if body.get("response_format") == "url":
        call.drop("response_format", "Stability AI hands images over in base64 only")
    if len(given) > 1:
        call.drop("image", "Stability AI works on one picture: the first was taken")
    path, fields = _path(call, bool(given))
    if not path.startswith("generate/") and not given:
        raise refused(f"image: {model} works on a picture, and none was given", "missing_image")
    prompt = pictures.prompt_of(call)
    if not prompt and path.startswith("generate/"):
        raise refused("prompt: expected a text", "invalid_prompt")
    if prompt and path not in _PROMPTLESS:
        fields.append(("prompt", prompt))
    size = pictures.size_of(call)
    if size and not given and body.get("aspect_ratio") is None:
        fields.append(("aspect_ratio", pictures.nearest_ratio(size, _RATIOS)))
    elif size:
        call.drop("size", "the picture that is worked on decides it")
    for name in sorted(_OWN - {"seed"}):
        if isinstance(value := body.get(name), (str, int, float)):
            fields.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    if given:
        fields.append((_FILES.get(path, "image"), file_of(given[0], "image")))
    if given and body.get("mask") is not None:
        fields.append(("mask", file_of(body["mask"], "mask")))
    return path, fields


def _path(call: ProviderCall, is_edit: bool) -> tuple[str, list[tuple[str, str | FormFile]]]:
    model = call.upstream_model
    if model in _EDITS:
        return _EDITS[model], []
    inpaints = is_edit and (call.body.get("mask") is not None or _MAKES.get(model) == "generate/core")
    if inpaints:
        return "edit/inpaint", []
    strength: list[tuple[str, str | FormFile]] = []
    if is_edit and call.body.get("strength") is None:
        strength.append(("strength", _STRENGTH))
    if model in _MAKES:
        return _MAKES[model], strength
    if model.startswith("sd3"):
        mode = [("mode", "image-to-image"), *strength] if is_edit else list[tuple[str, str | FormFile]]()
        return "generate/sd3", [("model", model), *mode]
    named = "/".join(quote(part, safe="") for part in model.split("/") if part.strip("."))
    return named if "/" in named else f"generate/{named}", strength
