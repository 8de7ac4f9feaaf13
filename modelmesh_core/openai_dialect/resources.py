"""What OpenAI keeps for an account: files, batches, stored answers. Asked for, and answered, without a translation."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import orjson

from ..interfaces.provider import ResourceRequest
from ..wire.http import HttpRequest, HttpResponse
from ..wire.messages import Operation, Reply
from ..wire.shapes import as_object
from .limits import headroom_of

RESOURCES = frozenset(
    {Operation.FILES, Operation.BATCH, Operation.RESPONSES, Operation.STORED_COMPLETIONS, Operation.MODELS}
)
"""Operations without a model."""


def resource_request(url: str, headers: Mapping[str, str], resource: ResourceRequest) -> HttpRequest:
    """The call for ``resource``, at ``url``. Its content type names a form's boundary: nothing replaces that."""
    own = {"content-type": resource.media_type} if resource.content is not None and resource.media_type else {}
    where = f"{url}{'&' if '?' in url else '?'}{resource.query}" if resource.query else url
    return HttpRequest(resource.method, where, {**headers, **own}, resource.content)


def decode_resource(response: HttpResponse) -> Reply:
    """A JSON object as ``body`` and ``raw``; anything else, such as a file's content, as ``content``."""
    media_type = response.headers.get("content-type", "application/octet-stream")
    decoded: Any = None
    if media_type.startswith("application/json"):
        with contextlib.suppress(ValueError):  # a file of that type may hold anything
            decoded = orjson.loads(response.body)
    headroom = headroom_of(response.headers, response.received_at)
    if isinstance(decoded, dict):
        return Reply(as_object(decoded), headroom=headroom, headers=response.headers, raw=response.body)
    return Reply(headroom=headroom, headers=response.headers, content=response.body, media_type=media_type)
