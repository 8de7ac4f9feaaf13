"""What image calls have in common: prompt, number, size, the pictures that a caller gives, those that come back."""

from __future__ import annotations

import base64
from collections.abc import Generator, Sequence
from typing import Any

from modelmesh_core import (
    Failure,
    FailureKind,
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    Usage,
    as_list,
    as_number,
    as_object,
    as_text,
    media_type_of,
    provider_error,
    refused,
)
from modelmesh_core import headroom_of as limits_of

KNOWN = frozenset({"prompt", "n", "size", "quality", "response_format", "image", "images", "mask"})
RATIOS = ("1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "21:9", "9:21")
_MOST = 10
Drawing = Generator[HttpRequest, HttpResponse, Reply]


def prompt_of(call: ProviderCall) -> str:
    """What is to be drawn; empty if nothing is said. Raises ProviderError for what is no text."""
    prompt = call.body.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise refused(f"prompt: expected a text, found {type(prompt).__name__}", "invalid_prompt")
    return prompt or ""


def count_of(call: ProviderCall) -> int:
    """How many pictures are wanted."""
    count: Any = call.body.get("n")
    if count is None:
        return 1
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST:
        raise refused(f"n: expected a number from 1 to {_MOST}", "invalid_n")
    return count


def size_of(call: ProviderCall) -> tuple[int, int] | None:
    """Width and height in pixels, or a ratio such as ``16:9``; None if they do not matter."""
    given = as_text(call.body.get("size"))
    if not given or given == "auto":
        return None
    width, _, height = given.replace(":", "x").partition("x")
    if not all(side.isascii() and side.isdecimal() and 0 < int(side[:6]) < 20_000 for side in (width, height)):
        raise refused(f"size: expected a width and a height such as 1024x1024, found {given[:40]!r}", "invalid_size")
    return int(width), int(height)


def nearest_ratio(size: tuple[int, int], ratios: Sequence[str] = RATIOS) -> str:
    """Which of ``ratios`` is most like ``size``."""

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        own, wanted = int(across) / int(down), size[0] / size[1]
        return max(own / wanted, wanted / own)

    return min(ratios, key=distance)


def given_pictures(call: ProviderCall) -> list[Any]:
    """The pictures that are to be worked on, in ``image`` or ``images``: bytes, URLs, or objects that hold a URL."""
    given: Any = call.body.get("image") or call.body.get("images")
    return as_list(given) or ([given] if given else [])


def as_url(value: Any, field: str, media_type: Any = None) -> str:
    """``value`` as a URL that a vendor can read: bytes become a data URL."""
    if isinstance(value, (bytes, bytearray)) and value:
        content = bytes(value)
        kind = as_text(media_type) or media_type_of(content)
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    held = as_object(value)
    url = as_text(value) or as_text(held.get("url")) or as_text(held.get("image_url"))
    url = url or as_text(as_object(held.get("image_url")).get("url"))
    if not url.startswith(("https://", "http://", "data:")):
        raise refused(f"{field}: expected a file's bytes or a URL, found {type(value).__name__}", "invalid_file")
    return url


def picture_at(url: str) -> Json:
    """A picture of an answer: in base64 if the URL itself holds it."""
    head, _, data = url.partition(",")
    return {"b64_json": data} if head.startswith("data:") and head.endswith(";base64") else {"url": url}


def drawn(data: Sequence[Json], withheld: Sequence[str], response: HttpResponse, **more: Any) -> Reply:
    """The answer. Raises ProviderError of kind CONTENT_FILTER if every picture was withheld."""
    if not data:
        reasons = "; ".join(dict.fromkeys(withheld)) or "no reason given"
        message = f"no image was made: {reasons}"
        raise provider_error(Failure(FailureKind.CONTENT_FILTER, message, status=400, code="content_filter"))
    return Reply(
        {"created": int(response.received_at), "data": list(data), **more},
        usage=Usage(images=len(data)),
        headroom=limits_of(response.headers, response.received_at),
        headers=response.headers,
    )


def seeded(call: ProviderCall, place: int) -> Json:
    """The seed of the picture at ``place``, so that several are not the same."""
    seed = as_number(call.body.get("seed"))
    return {} if seed is None else {"seed": int(seed) + place}
