"""The texts, tool calls and vectors of a healthy provider: made from the prompt alone, so that all agree."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping
from typing import Any, cast

_WORDS = re.findall(
    r"\w+",
    """
    amber birch cedar delta ember fjord grove heron inlet junco kelp larch maple north ocean pearl
    quartz river slate tundra umber valley willow xenon yarrow zephyr aspen basalt copper dune echo flint
    """,
)
_PIECE = re.compile(r"\s*\S+(?:\s+\Z)?|\s+\Z")


def answer_to(body: Mapping[str, Any]) -> str:
    """What every healthy provider answers to ``body``: 12 to 19 words, and a different text for each prompt.

    Depends on the last message of the user only. Holds a newline and characters of two to four bytes.
    """
    return _text(prompt_of(body))


def another_answer_to(body: Mapping[str, Any]) -> str:
    """What a provider answers that says something else; not even the first word is the same."""
    return "Otherwise " + _text(prompt_of(body) + "\0otherwise")


def _text(prompt: str) -> str:
    digest = _digest(prompt)
    chosen = [_WORDS[number % len(_WORDS)] for number in digest[1 : 9 + digest[0] % 8]]
    first, *others = chosen
    return f"{first.capitalize()} {' '.join(others[:2])} für ☃ 🦊\n{' '.join(others[2:])} {digest.hex()[:12]}."


def tool_arguments_for(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the tool call that every healthy provider makes of ``body``."""
    digest = _digest(prompt_of(body))
    return {"place": _WORDS[digest[0] % len(_WORDS)], "note": "für ☃ 🦊", "count": digest[1], "key": digest.hex()[:12]}


def embedding_of(text: str) -> list[float]:
    """Eight numbers from -1 to 1, exact in 32 bits."""
    return [number / 2**15 for number in struct.unpack("<8h", _digest(text)[:16])]


def prompt_of(body: Mapping[str, Any]) -> str:
    """The last message of the user; empty without one."""
    spoken = [message for message in messages_of(body) if message.get("role") == "user"]
    return text_of(spoken[-1]) if spoken else ""


def messages_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages; what is no object is an empty one."""
    return [as_object(message) for message in as_list(body.get("messages"))]


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, be it a string or parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(as_object(part).get("text", "")) for part in as_list(content))


def as_list(value: Any) -> list[Any]:
    """``value`` if it is a list, else an empty one."""
    return cast(list[Any], value) if isinstance(value, list) else []


def as_object(value: Any) -> dict[str, Any]:
    """``value`` if it is an object, else an empty one."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def pieces_of(text: str) -> list[str]:
    """Its words with the space before them; joined they are ``text``."""
    return _PIECE.findall(text)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
