"""A chat request in the agreement's shape → the body of ``generateContent``."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, ProviderCall, as_list, as_object, as_text

from .contents import encode_messages
from .families import Family, family_of
from .schema import compile_schema, json_schema
from .shapes import refuse
from .thinking import thinking_config
from .tools import encode_tools

_RENAMED = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_READ = frozenset(
    {
        *_RENAMED,
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "n",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "thinking",
        "web_search_options",
        "modalities",
        "audio",
        "safety_settings",
        "google",
        "extra_body",
        "stream",
    }
)
"""Parameters that this module and those it calls look at."""
_NO_MATTER = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "stream_options",
        "prompt_cache_key",
        "safety_identifier",
    }
)
"""Parameters that change nothing in the answer."""
_OWN_NAMES = {"cached_content": "cachedContent", "safety_settings": "safetySettings"}


def encode_chat(call: ProviderCall) -> Json:
    """The body for ``generateContent`` and ``streamGenerateContent``.

    Raises ProviderError of kind INVALID_REQUEST for what Google cannot be told.
    """
    body, family = call.body, family_of(call.upstream_model)
    request = encode_messages(body.get("messages"), family, call.prefill)
    request.update(encode_tools(call, family))
    config = _generation_config(call, family)
    if config:
        request["generationConfig"] = config
    if as_list(body.get("safety_settings")):
        request["safetySettings"] = body["safety_settings"]
    for name, value in body.items():
        if name not in _READ and name not in _NO_MATTER and value not in (None, [], {}):
            call.drop(name)
    try:
        _merge(request, _own_words(body))
    except RecursionError:
        refuse("google: the field nests too deeply")
    return request


def _generation_config(call: ProviderCall, family: Family) -> Json:
    body = call.body
    config: Json = {theirs: body[ours] for ours, theirs in _RENAMED.items() if body.get(ours) is not None}
    for penalty in ("presencePenalty", "frequencyPenalty"):
        if config.get(penalty) == 0:  # the default, which some models refuse to be told
            del config[penalty]
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None:
        config["maxOutputTokens"] = limit
    stop = [body["stop"]] if isinstance(body.get("stop"), str) else as_list(body.get("stop"))
    if stop:
        config["stopSequences"] = stop
    if body.get("n") not in (None, 1):
        config["candidateCount"] = body["n"]
    if body.get("logprobs"):
        config["responseLogprobs"] = True
        if body.get("top_logprobs"):
            config["logprobs"] = body["top_logprobs"]
    config.update(_format(body, family))
    config.update(_modalities(call))
    thinking = thinking_config(call, family)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def _format(body: Json, family: Family) -> Json:
    wanted = as_object(body.get("response_format"))
    kind = wanted.get("type")
    if kind not in ("json_object", "json_schema"):
        return {}
    result: Json = {"responseMimeType": "application/json"}
    schema = as_object(wanted.get("json_schema")).get("schema")
    if kind == "json_schema" and isinstance(schema, dict):
        compiled = compile_schema(schema, ordered=True)
        if compiled.fits or family.knows_only_the_subset:
            result["responseSchema"] = compiled.schema
        else:
            result["responseJsonSchema"] = json_schema(schema)
    return result


def _modalities(call: ProviderCall) -> Json:
    wanted = [as_text(name).upper() for name in as_list(call.body.get("modalities"))]
    if not wanted or wanted == ["TEXT"]:
        return {}
    if "AUDIO" not in wanted:
        return {"responseModalities": wanted}
    voice = voice_of(call, as_object(call.body.get("audio")).get("voice"))
    return {"responseModalities": ["AUDIO"], **({"speechConfig": voice} if voice else {})}


def voice_of(call: ProviderCall, voice: Any, parameter: str = "audio") -> Json:
    """The ``speechConfig`` for a voice of Google's; empty for none, or one that only OpenAI has."""
    name = as_text(voice)
    if name.lower() in _VOICES_OF_OPENAI:
        call.drop(parameter, f"Google has no voice {name!r}")
        name = ""
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}} if name else {}


_VOICES_OF_OPENAI = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"}
)


def _own_words(body: Json) -> Json:
    """Fields of Google's own request that the caller gives under ``google`` (or ``extra_body.google``)."""
    given = {**as_object(as_object(body.get("extra_body")).get("google")), **as_object(body.get("google"))}
    own = {_OWN_NAMES.get(name, name): value for name, value in given.items() if name != "thinking_config"}
    thinking = as_object(given.get("thinking_config"))
    if thinking:
        renamed = {_camel(name): value for name, value in thinking.items()}
        own = {**own, "generationConfig": {**as_object(own.get("generationConfig")), "thinkingConfig": renamed}}
    return own


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _merge(into: Json, new: Json) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], as_object(value))
        else:
            into[key] = value
