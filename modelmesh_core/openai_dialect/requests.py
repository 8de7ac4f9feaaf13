"""A call → what is sent: JSON, or a form where there are files."""

from __future__ import annotations

from typing import Any

from ..wire.forms import FormFile, encode_form
from ..wire.messages import Body
from ..wire.shapes import as_list, json_bytes
from ..wire.stored import Content
from .media_files import file_part, is_file

JSON = "application/json"
EDITS, VARIATIONS = "/images/edits", "/images/variations"
_PICTURES = ("image", "images", "mask")
Encoded = tuple[str, Content]
"""A content type and a body."""


def encode_json(body: Body) -> tuple[str, bytes]:
    """Raises ProviderError of kind INVALID_REQUEST for what JSON cannot hold."""
    return JSON, json_bytes(body)


def encode_transcription(body: Body) -> Encoded:
    """A form with the audio last, as some servers read it while it comes."""
    audio = file_part(body.get("file"), "file", body.get("filename"), body.get("media_type"))
    fields = [field for name, value in body.items() if name not in _OF_THE_FILE for field in _form_fields(name, value)]
    return encode_form([*fields, ("file", audio)])


_OF_THE_FILE = frozenset({"file", "filename", "media_type"})


def encode_images(body: Body) -> Encoded:
    """JSON, or for pictures whose bytes are at hand a form."""
    if not is_edit(body) or not all(is_file(one) for name in _PICTURES for one in _several(body.get(name))):
        return encode_json(body)
    fields: list[tuple[str, str | FormFile]] = []
    for name, value in body.items():
        if name not in _PICTURES:
            fields.extend(_form_fields(name, value))
            continue
        parts = [file_part(one, name) for one in _several(value)]
        field = f"{name}[]" if len(parts) > 1 else name
        fields.extend((field, part) for part in parts)
    return encode_form(fields)


def is_edit(body: Body) -> bool:
    """Whether an image request works on pictures that it brings."""
    return any(body.get(name) for name in ("image", "images"))


def images_path(body: Body, path: str) -> str:
    """Where an image request is asked: ``path`` makes pictures of words; what it brings is edited, or varied."""
    if not is_edit(body):
        return path
    return EDITS if body.get("prompt") else VARIATIONS


def prefilled(text: str, body: Body, mark: Any) -> Body:
    """``body`` with a last message, of the assistant, that is to be continued."""
    begun = {"role": "assistant", "content": text, **mark}
    return {**body, "messages": [*as_list(body.get("messages")), begun]}


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return as_list(value) if isinstance(value, list) else [value]


def _form_fields(name: str, value: Any) -> list[tuple[str, str]]:
    """A JSON value as form fields: items of a list one by one, objects as JSON text."""
    if isinstance(value, list):
        return [(f"{name}[]", _form_text(item)) for item in as_list(value)]
    return [] if value is None else [(name, _form_text(value))]


def _form_text(value: Any) -> str:
    return value if isinstance(value, str) else encode_json(value)[1].decode()
