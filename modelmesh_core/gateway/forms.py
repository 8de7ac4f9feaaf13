"""multipart/form-data, as callers upload files with it (RFC 7578)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from .refusals import Refusal

MAX_PARTS = 64
_PARAMETER = re.compile(r';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))')


@attrs.frozen
class Part:
    """One field of a form; ``filename`` is None where it is no file."""

    name: str
    content: bytes = attrs.field(repr=False)
    filename: str | None = None
    media_type: str | None = None


def read_form(raw: bytes, content_type: str) -> list[Part]:
    """The form's fields, in order. Raises Refusal for what is no form."""
    kind, parameters = _parsed(content_type)
    boundary = parameters.get("boundary", "")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise Refusal(415, "expected multipart/form-data with a boundary", code="invalid_content_type")
    parts = list(_parts(raw, b"--" + boundary.encode()))
    if not parts:
        raise Refusal(400, "the form has no fields, or does not use the boundary that it names", code="invalid_form")
    return parts


def _parts(raw: bytes, mark: bytes) -> Iterator[Part]:
    pieces = (b"\r\n" + raw).split(b"\r\n" + mark)
    if len(pieces) > MAX_PARTS + 2:
        raise Refusal(400, f"the form has more than {MAX_PARTS} fields", code="invalid_form")
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        head, separator, content = piece.partition(b"\r\n\r\n")
        if not separator:
            raise Refusal(400, "a field of the form has no content", code="invalid_form")
        yield _part(head, content)
    raise Refusal(400, "the form ends before its closing boundary", code="invalid_form")


def _part(head: bytes, content: bytes) -> Part:
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
