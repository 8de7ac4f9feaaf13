"""What a caller of another dialect has in a body, and servers of this one would refuse."""

from __future__ import annotations

from typing import Any

from ..errors import Failure, FailureKind, provider_error
from ..interfaces.provider import ProviderCall
from ..wire.messages import Body
from ..wire.shapes import as_list, as_object

_SAID_OTHERWISE = frozenset(
    {
        *("thinking", "output_config", "output_format", "cache_control"),
        *("reasoning", "text", "include", "background", "truncation", "prompt_cache_options"),
    }
)
"""Parameters that have a counterpart in the body already, or change nothing in the answer."""
_LACKING = frozenset({"top_k", "context_management", "mcp_servers", "container", "max_tool_calls", "moderation"})
_KEPT_ELSEWHERE = ("previous_response_id", "conversation", "prompt")
"""Names of what one vendor keeps: an answer without it would be an answer to another question."""
_IN_MESSAGES = frozenset(
    {
        *("anthropic_content", "annotations", "cache_control", "is_error"),
        *("reasoning_content", "reasoning_details", "responses_items"),
    }
)
_IN_PARTS = frozenset({"cache_control", "citations", "context"})
_IN_TOOLS = frozenset({"cache_control", "defer_loading", "eager_input_streaming"})


def without_foreign(call: ProviderCall, body: Body, keeps: frozenset[str]) -> Body:
    """``body``, which was asked for in another dialect, as a server of this one takes it.

    ``keeps``: fields of messages, parts and tools that this vendor understands. Raises ProviderError of kind
    INVALID_REQUEST for what cannot be answered without another vendor's memory.
    """
    for name in _KEPT_ELSEWHERE:
        if body.get(name) is not None:
            message = f"{name} names what another provider keeps, and this one does not know: send the whole input"
            raise provider_error(
                Failure(FailureKind.INVALID_REQUEST, message, status=400, code="unsupported_parameter")
            )
    for name in sorted(_LACKING & body.keys()):
        call.drop(name)
    kept = {key: value for key, value in body.items() if key not in _SAID_OTHERWISE and key not in _LACKING}
    kept["messages"] = [_message(as_object(message), keeps) for message in as_list(body.get("messages"))]
    if "tools" in body:
        kept["tools"] = [_without(tool, _IN_TOOLS - keeps) for tool in as_list(body["tools"])]
    return kept


def _message(message: Body, keeps: frozenset[str]) -> Body:
    kept = _without(message, _IN_MESSAGES - keeps)
    if isinstance(message.get("content"), list):
        kept["content"] = [_without(part, _IN_PARTS - keeps) for part in message["content"]]
    return kept


def _without(value: Any, names: frozenset[str]) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: inner for key, inner in as_object(value).items() if key not in names}
