"""multipart/form-data, as callers upload files with it (RFC 7578)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from ..wire.stored import Content, StoredBytes
from .refusals import Refusal

MAX_PARTS = 64
MAX_PART_HEAD = 16 * 1024
"""Bytes of a field's headers."""
MAX_TEXT = 1024 * 1024
"""Bytes of a field that is no file."""
_PARAMETER = re.compile(r';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))')


@attrs.frozen
class Part:
    """One field of a form; ``filename`` is None where it is no file."""

    name: str
    content: Content = attrs.field(repr=False)
    filename: str | None = None
    media_type: str | None = None

    @property
    def text(self) -> str:
        """Of a field that is no file. Raises Refusal for one that is too long to be a text."""
        if len(self.content) > MAX_TEXT:
            message = f"a field of the form has more than {MAX_TEXT} bytes, but is no file"
            raise Refusal(400, message, param=self.name, code="invalid_form")
        return _held(self.content).decode("utf-8", "replace")


def read_form(raw: Content, content_type: str) -> list[Part]:
    """The form's fields, in order; those of a form that lies on disk stay there. Raises Refusal for what is no form."""
    kind, parameters = _parsed(content_type)
    boundary = parameters.get("boundary", "")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise Refusal(415, "expected multipart/form-data with a boundary", code="invalid_content_type")
    parts: list[Part] = []
    for head, content in _pieces(StoredBytes([b"\r\n", raw]), b"\r\n--" + boundary.encode()):
        if len(parts) == MAX_PARTS:
            raise Refusal(400, f"the form has more than {MAX_PARTS} fields", code="invalid_form")
        parts.append(_part(head, content if isinstance(raw, StoredBytes) else content.read()))
    if not parts:
        raise Refusal(400, "the form has no fields, or does not use the boundary that it names", code="invalid_form")
    return parts


def _pieces(form: StoredBytes, mark: bytes) -> Iterator[tuple[bytes, StoredBytes]]:
    """Headers and content of each field."""
    place = form.find(mark, 0)
    while place >= 0:
        start = place + len(mark)
        beginning = form.part(start, start + MAX_PART_HEAD).read()
        if beginning.startswith(b"--"):
            return
        place = form.find(mark, start)
        if place < 0:
            raise Refusal(400, "the form ends before its closing boundary", code="invalid_form")
        head, separator, _ = beginning.partition(b"\r\n\r\n")
        start += len(head) + len(separator)
        if not separator or start > place:
            raise Refusal(400, "a field of the form has no content", code="invalid_form")
        yield head, form.part(start, place)


def _held(content: Content) -> bytes:
    return content.read() if isinstance(content, StoredBytes) else content


def _part(head: bytes, content: Content) -> Part:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    kind, parameters = _parsed(headers.get("content-disposition", ""))
    if kind != "form-data" or not parameters.get("name"):
        raise Refusal(400, "a field of the form has no name", code="invalid_form")
    media_type = headers.get("content-type")
    return Part(parameters["name"], content, parameters.get("filename"), media_type)


def _parsed(header: str) -> tuple[str, dict[str, str]]:
    kind = header.partition(";")[0].strip().lower()
    found = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if plain == "" else plain
        for name, quoted, plain in _PARAMETER.findall(header)
    }
    return kind, found
