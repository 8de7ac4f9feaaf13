"""What sets a vendor apart from the dialect, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs
from modelmesh_core import FailureKind, Operation

NOTHING: Mapping[str, Any] = MappingProxyType({})

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "eos": "stop",
        "eos_token": "stop",
        "end_turn": "stop",
        "stop_sequence": "stop",
        "completed": "stop",
        "model_length": "length",
        "max_tokens": "length",
        "max_length": "length",
        "max_output_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "function_call": "tool_calls",
        "safety": "content_filter",
        "sensitive": "content_filter",
    }
)
"""Vendors' own words for why an answer ended."""


@attrs.frozen
class Traits:
    """Every field has the value of a vendor that does all as OpenAI does."""

    operations: frozenset[Operation] = frozenset({Operation.CHAT})
    paths: Mapping[Operation, str] = attrs.field(factory=dict[Operation, str])
    renamed: Mapping[str, str] = NOTHING
    """Parameters that have another name there."""
    lacks: frozenset[str] = frozenset()
    """Parameters that the caller is told of when they are left out."""
    ignores: frozenset[str] = frozenset()
    """Parameters that are left out without a word, as they change nothing in the answer."""
    takes_developer: bool = False
    """Whether messages may have the role ``developer``; else they are of role ``system``."""
    takes_json_schema: bool = True
    """Whether ``response_format`` can hold a schema; else JSON is demanded, and the schema told to the model."""
    tool_choices: frozenset[str] | None = None
    """Words that ``tool_choice`` can be; None for all of them, and for the choice of one function."""
    reasoning_back: str | None = None
    """Field of a message in which the vendor wants to see its model's former reasoning; None for none."""
    reasoning_needs_feature: bool = False
    """Whether only models with the feature ``reasoning`` may be shown it."""
    keeps: frozenset[str] = frozenset()
    """Fields of messages, parts and tool calls that others would refuse, and this vendor understands."""
    speaks_responses: bool = False
    """Whether it has the Responses API."""
    takes_stream_options: bool = True
    prefill_mark: Mapping[str, Any] = NOTHING
    failures: frozenset[str] = frozenset()
    """Finish reasons that mean a failure of the vendor."""
    errors: Mapping[str, FailureKind] = NOTHING
    """What the vendor's own error codes mean, in lower case."""
