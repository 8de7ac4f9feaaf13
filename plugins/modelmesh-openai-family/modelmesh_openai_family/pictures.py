"""Pictures that a request brings, for vendors that want them in JSON."""

from __future__ import annotations

import base64
from typing import Any

from modelmesh_core import as_list, as_object, as_text, media_type_of, refused


def data_urls(pictures: Any, field: str) -> list[str]:
    """The URL of each picture: its own, or one that holds its bytes. Raises ProviderError for anything else."""
    several = as_list(pictures) if isinstance(pictures, list) else [] if pictures is None else [pictures]
    return [_url(one, field) for one in several]


def _url(picture: Any, field: str) -> str:
    if isinstance(picture, (bytes, bytearray)):
        content = bytes(picture)
        return f"data:{media_type_of(content)};base64,{base64.b64encode(content).decode()}"
    nested = as_object(picture)
    url = as_text(picture) or as_text(nested.get("url")) or as_text(nested.get("image_url"))
    url = url or as_text(as_object(nested.get("image_url")).get("url"))
    if not url:
        raise refused(f"{field} must hold a picture's bytes or its URL; found {type(picture).__name__}")
    return url
