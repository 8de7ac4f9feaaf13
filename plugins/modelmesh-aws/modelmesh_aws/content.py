"""Parts of a message → content blocks of Converse."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import attrs
from modelmesh_core import Json, as_list, as_object, as_text

from .shapes import refused

BLOCKS = frozenset(
    {
        "text",
        "image",
        "document",
        "video",
        "audio",
        "toolUse",
        "toolResult",
        "guardContent",
        "cachePoint",
        "reasoningContent",
        "citationsContent",
        "searchResult",
        "toolAddition",
        "toolRemoval",
    }
)
"""Every block that Converse knows: a part that is one of them goes as it is."""

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})(?:[?#].*)?$")
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/x-markdown": "md",
    "application/json": "txt",
    "application/xml": "txt",
}
_FORMATS: dict[str, dict[str, str]] = {
    "image": {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"},
    "document": {name: name for name in ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")}
    | {"htm": "html", "markdown": "md", "text": "txt", "json": "txt"},
    "video": {name: name for name in ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv")}
    | {"quicktime": "mov", "x-matroska": "mkv", "x-flv": "flv", "x-ms-wmv": "wmv", "3gpp": "three_gp"}
    | {"3gp": "three_gp", "three_gp": "three_gp"},
    "audio": {name: name for name in ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "m4a")}
    | {name: name for name in ("x-aac", "mpeg", "mpga", "pcm", "webm")}
    | {"x-wav": "wav", "wave": "wav", "pcm16": "pcm", "x-m4a": "m4a", "x-flac": "flac"},
}
"""Kind of block → what follows the slash of a media type, or a file's extension → Converse's word."""
_FORBIDDEN = re.compile(r"[^A-Za-z0-9\s\-()\[\]]+")
_SPACES = re.compile(r"\s+")


@attrs.define
class ContentEncoder:
    """Turns the parts of one request's messages into blocks; remembers the names of documents, which have to differ."""

    caches: bool = True
    """Whether the model knows cache points; elsewhere cache marks mean nothing."""
    _names: set[str] = attrs.field(factory=set[str], alias="names")

    def blocks(self, content: Any) -> list[Json]:
        """The blocks of a message's content. Texts without a visible character are left out: the API refuses them.

        Raises ProviderError of kind INVALID_REQUEST for a part that Converse has no block for.
        """
        if isinstance(content, str):
            return [{"text": content}] if content.strip() else []
        found: list[Json] = []
        for part in as_list(content):
            if isinstance(part, str):
                found += [{"text": part}] if part.strip() else []
                continue
            block = self._block(as_object(part))
            found += [block] if block else []
            if block or found:
                found += self.mark(as_object(part))
        return found

    def mark(self, marked: Json) -> list[Json]:
        """The cache point that follows what bears a cache mark."""
        mark = as_object(marked.get("cache_control"))
        if not mark or not self.caches:
            return []
        ttl = {"ttl": mark["ttl"]} if mark.get("ttl") in ("5m", "1h") else {}
        return [{"cachePoint": {"type": "default", **ttl}}]

    def _block(self, part: Json) -> Json | None:
        kind = as_text(part.get("type"))
        if kind in ("text", "refusal") and isinstance(part.get(kind), str):
            return {"text": part[kind]} if part[kind].strip() else None
        if kind == "image_url":
            return self._media("image", _url_of(part.get("image_url")))
        if kind == "video_url":
            return self._media("video", _url_of(part.get("video_url")))
        if kind == "audio_url":
            return self._media("audio", _url_of(part.get("audio_url")))
        if kind == "input_audio":
            audio = as_object(part.get("input_audio"))
            wanted = _known_format("audio", as_text(audio.get("format")) or "wav")
            return {"audio": {"format": wanted, "source": {"bytes": _checked(as_text(audio.get("data")), "audio")}}}
        if kind == "file":
            return self._file(part)
        own = [key for key in part if key in BLOCKS]
        if len(own) == 1 and kind in ("", own[0]):
            return {own[0]: part[own[0]]}
        raise refused(f"a message holds a part of type {kind or 'unknown'}, which Bedrock's Converse has no block for")

    def _media(self, kind: str, url: str) -> Json:
        found = _DATA_URL.match(url)
        if found is not None:
            return {kind: {"format": _known_format(kind, found[1]), "source": {"bytes": _as_base64(found, kind)}}}
        if url.startswith("s3://"):
            return {kind: {"format": _known_format(kind, _extension(url)), "source": {"s3Location": {"uri": url}}}}
        raise refused(
            f"the {kind} is given by an address that Bedrock cannot fetch: send it as a data: URL, or name an s3:// one"
        )

    def _file(self, part: Json) -> Json:
        file = as_object(part.get("file")) or part
        name = as_text(file.get("filename"))
        keys = ("file_data", "file_url", "file_id")
        given = next((text for key in keys if (text := as_text(file.get(key)))), "")
        if not given:
            raise refused("a message holds a file part without file_data")
        found = _DATA_URL.match(given)
        if found is not None and (major := found[1].partition("/")[0]) in ("image", "video", "audio"):
            return self._media(major, given)
        if found is not None:
            source: Json = {"bytes": _as_base64(found, "file")}
            word = _DOCUMENTS.get(found[1].lower()) or ("txt" if found[1].startswith("text/") else _extension(name))
        elif given.startswith("s3://"):
            source, word = {"s3Location": {"uri": given}}, _extension(given)
        elif given == file.get("file_data"):  # bare base64: some clients leave the head of the data URL out
            source, word = {"bytes": _checked(given, "file")}, _extension(name) or "pdf"
        else:
            raise refused("Bedrock cannot fetch a file by its address or id: send its data, or name an s3:// one")
        document: Json = {"format": _known_format("document", word), "name": self._name(name), "source": source}
        own = {**part, **file}
        extras = {key: own[key] for key in ("citations", "context") if own.get(key) is not None}
        return {"document": {**document, **extras}}

    def _name(self, filename: str) -> str:
        """A document's name in the characters that the API takes, which no other document of the request has."""
        stem = filename.rpartition(".")[0] or filename
        plain = _SPACES.sub(" ", _FORBIDDEN.sub("-", stem)).strip()[:180] or "Document"
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain} {number}"
        self._names.add(name)
        return name


def _url_of(value: Any) -> str:
    url = value if isinstance(value, str) else as_text(as_object(value).get("url"))
    if not url:
        raise refused("a message holds a part for an image, a video or a sound without a url")
    return url


def _known_format(kind: str, word: str) -> str:
    """Converse's word for a media type, or for a file's extension."""
    plain = word.lower().strip().rpartition("/")[2]
    found = _FORMATS[kind].get(plain)
    if found is None:
        known = ", ".join(dict.fromkeys(_FORMATS[kind].values()))
        raise refused(f"a message holds a {kind} of type {word[:40] or 'unknown'}: Bedrock takes {known}")
    return found


def _extension(name: str) -> str:
    found = _EXTENSION.search(name)
    return found[1].lower() if found else ""


def _as_base64(url: re.Match[str], kind: str) -> str:
    if url[2].endswith(";base64"):
        return _checked(url[3], kind)
    return base64.b64encode(unquote_to_bytes(url[3])).decode()


def _checked(data: str, kind: str) -> str:
    """Base64 as the API takes it: what is none would only come back as an error that nobody understands."""
    plain = data if data.isalnum() else "".join(data.split()).replace("-", "+").replace("_", "/")
    plain += "=" * (-len(plain) % 4)
    try:
        if not plain or not base64.b64decode(plain, validate=True):
            raise refused(f"a message holds a {kind} part without data")
    except (binascii.Error, ValueError) as error:
        raise refused(f"the data of a {kind} part is not base64: {error}") from error
    return plain
