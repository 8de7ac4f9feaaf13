"""A Messages request → the body of a chat completion.

==================================  ======================================================================
``system``                          a first message of role ``system``
``max_tokens``                      ``max_tokens``
``stop_sequences``                  ``stop``
``tool_choice``                     ``tool_choice``, and ``parallel_tool_calls`` for ``disable_parallel_tool_use``
``output_config.format``            ``response_format``, as for the older ``output_format``
``output_config``, the rest         itself
``thinking``                        itself, and ``reasoning_effort``
``metadata.user_id``                ``user``
``service_tier``                    ``auto``, or ``default`` for ``standard_only``
==================================  ======================================================================

Every other field keeps its name. ``reasoning_effort`` is for vendors who know no budget. It is the effort that
``output_config`` names; else ``low`` for a budget of fewer than 4,096 tokens, ``medium`` for fewer than 16,384, and
``high`` for more, and for adaptive thinking, as at Anthropic. Efforts above ``high`` are ``high``, as not every vendor
has them; ``output_config`` still says the word. An effort without ``thinking`` stays where it is: it asks nobody to
think.
"""

from __future__ import annotations

import re
from typing import Any

from .conversation import messages_of
from .parts import content_of
from .reading import Json, count_at, flag_at, list_at, name_at, number_at, object_at, text_at, without, wrong
from .tools import choice_of, tools_of

_READ = frozenset(
    {
        "model", "messages", "system", "max_tokens", "stop_sequences", "temperature", "top_p", "top_k", "tools",
        "tool_choice", "metadata", "service_tier", "output_format", "output_config", "thinking", "stream",
    }
)  # fmt: skip
_MEDIUM_FROM, _HIGH_FROM = 4096, 16_384
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_TIERS = {"standard_only": "default"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def chat_body(body: Json) -> Json:
    """The chat completion's body. Raises DialectError for what cannot be understood."""
    given = {key: value for key, value in body.items() if value is not None}
    made = {key: value for key, value in given.items() if key not in _READ}
    made["model"] = name_at(given.get("model"), "model")
    system = content_of(given["system"], "system") if "system" in given else ""
    made["messages"] = [
        *([{"role": "system", "content": system}] if system else ()),
        *messages_of(given.get("messages")),
    ]
    made["max_tokens"] = count_at(given.get("max_tokens"), "max_tokens")
    made |= _choosing(given)
    if given.get("tools"):
        made["tools"] = tools_of(given["tools"])
    if "tool_choice" in given:
        made |= choice_of(given["tool_choice"])
    made |= _thinking_and_form(given)
    made |= _about_the_caller(given)
    if "stream" in given:
        made["stream"] = flag_at(given["stream"], "stream")
        if made["stream"]:
            made["stream_options"] = {"include_usage": True}
    return made


def _choosing(given: Json) -> Json:
    made: Json = {name: number_at(given[name], name) for name in ("temperature", "top_p") if name in given}
    if "top_k" in given:
        made["top_k"] = count_at(given["top_k"], "top_k")
    if "stop_sequences" in given:
        texts = list_at(given["stop_sequences"], "stop_sequences")
        stop = [text_at(text, f"stop_sequences.{number}") for number, text in enumerate(texts)]
        made |= {"stop": stop} if stop else {}
    return made


def _thinking_and_form(given: Json) -> Json:
    made: Json = {}
    config = object_at(given.get("output_config", {}), "output_config")
    thinking = object_at(given.get("thinking", {}), "thinking")
    wanted, place = config.get("format"), "output_config.format"
    if wanted is None and "output_format" in given:
        wanted, place = given["output_format"], "output_format"
    if wanted is not None:
        made["response_format"] = _response_format(object_at(wanted, place), place)
    if rest := without(config, "format"):
        made["output_config"] = rest
    if "thinking" in given:
        name_at(thinking.get("type"), "thinking.type")
        made["thinking"] = thinking
    effort = _effort(thinking, config)
    if effort and "reasoning_effort" not in given:
        made["reasoning_effort"] = effort
    return made


def _effort(thinking: Json, config: Json) -> str | None:
    kind, asked = thinking.get("type"), config.get("effort")
    budget = count_at(thinking.get("budget_tokens"), "thinking.budget_tokens") if kind == "enabled" else 0
    effort = _EFFORTS.get(text_at(asked, "output_config.effort")) if asked is not None else None
    if kind not in ("enabled", "adaptive"):
        return None
    if effort is not None or kind == "adaptive":
        return effort or "high"
    return "low" if budget < _MEDIUM_FROM else "medium" if budget < _HIGH_FROM else "high"


def _response_format(wanted: Json, place: str) -> Json:
    if wanted.get("type") != "json_schema":
        raise wrong(f"{place}.type", "json_schema")
    schema = object_at(wanted.get("schema"), f"{place}.schema")
    title: Any = wanted.get("name") or schema.get("title")
    name = title if isinstance(title, str) and _NAME.fullmatch(title) else "answer"
    more = without(wanted, "type", "name", "schema", "strict")
    return {"type": "json_schema", "json_schema": {**more, "name": name, "schema": schema, "strict": True}}


def _about_the_caller(given: Json) -> Json:
    made: Json = {}
    metadata = object_at(given.get("metadata", {}), "metadata")
    if metadata.get("user_id") is not None:
        made["user"] = text_at(metadata["user_id"], "metadata.user_id")
    if rest := without(metadata, "user_id"):
        made["metadata"] = rest
    if "service_tier" in given:
        tier = text_at(given["service_tier"], "service_tier")
        made["service_tier"] = _TIERS.get(tier, tier)
    return made
