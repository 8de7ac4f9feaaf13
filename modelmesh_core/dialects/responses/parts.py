"""Parts of a message's content, and citations: those of the Responses API ↔ those of the mesh's own shape."""

from __future__ import annotations

from typing import Any

from ...wire.messages import Body
from ...wire.shapes import as_list, as_object, as_text
from ..protocol import DialectError
from .checks import object_of, objects_of, text_at, wrong

_FILE_FIELDS = ("file_data", "file_id", "file_url", "filename", "detail")


def content_to_chat(content: Any, place: str) -> str | list[Body]:
    """What a user, a system prompt or a tool says: a string, or parts. Raises DialectError for what is neither."""
    if isinstance(content, str):
        return content
    return [_to_chat(part, f"{place}[{index}]") for index, part in enumerate(objects_of(content, place))]


def content_from_chat(content: Any) -> str | list[Body]:
    """The same, the other way; nothing becomes an empty string."""
    if isinstance(content, list):
        return [_from_chat(as_object(part)) for part in as_list(content)]
    return content if isinstance(content, str) else ""


def _to_chat(part: Body, place: str) -> Body:
    kind = text_at(part, "type", place)
    rest = {key: value for key, value in part.items() if key != "type"}
    if kind in ("input_text", "output_text", "text"):
        return {**rest, "type": "text", "text": text_at(part, "text", place)}
    if kind == "input_image":
        if part.get("image_url") is None and isinstance(part.get("file_id"), str):
            return part  # uploaded to one vendor, which alone can read it
        url = text_at(part, "image_url", place)
        image = {"url": url, **({"detail": part["detail"]} if part.get("detail") is not None else {})}
        rest = {key: value for key, value in rest.items() if key not in ("image_url", "detail") and value is not None}
        return {**rest, "type": "image_url", "image_url": image}
    if kind == "input_file":
        file = {key: text_at(part, key, place) for key in _FILE_FIELDS if part.get(key) is not None}
        if not file.keys() & {"file_data", "file_id", "file_url"}:
            raise DialectError(f"{place} needs file_data, file_id or file_url", place)
        return {**{key: value for key, value in rest.items() if key not in _FILE_FIELDS}, "type": "file", "file": file}
    if kind == "input_audio":
        sound = object_of(part.get("input_audio"), f"{place}.input_audio")
        text_at(sound, "data", f"{place}.input_audio")
    return part


def _from_chat(part: Body) -> Body:
    kind = part.get("type")
    rest = {key: value for key, value in part.items() if key not in ("type", "cache_control")}
    if kind == "text":
        return {**rest, "type": "input_text"}
    if kind == "image_url":
        image = part.get("image_url")
        url = image if isinstance(image, str) else as_object(image).get("url")
        return {**rest, "type": "input_image", "image_url": url, "detail": as_object(image).get("detail") or "auto"}
    if kind == "file":
        rest.pop("file", None)
        return {**rest, "type": "input_file", **as_object(part.get("file"))}
    return part


def checked_output(content: Any, place: str) -> list[Body]:
    """The parts that an assistant said before, all of them readable. Raises DialectError for one that is not."""
    parts = objects_of(content, place)
    for index, part in enumerate(parts):
        where = f"{place}[{index}]"
        kind = text_at(part, "type", where)
        if kind == "refusal":
            text_at(part, "refusal", where)
        elif kind in ("output_text", "input_text", "text"):
            text_at(part, "text", where)
            for key in ("annotations", "logprobs"):
                if part.get(key) is not None:
                    objects_of(part[key], f"{where}.{key}")
        else:
            raise wrong(f"{where}.type", "output_text or refusal", kind)
    return parts


def annotation_to_chat(annotation: Body, start: int) -> Body:
    """A citation, in a text that begins at character ``start`` of the answer."""
    if annotation.get("type") != "url_citation":
        return {"type": "citation", "citation": annotation, **({"offset": start} if start else {})}
    own = {key: value for key, value in annotation.items() if key != "type"}
    for key in ("start_index", "end_index"):
        if start and isinstance(own.get(key), int):
            own[key] += start
    return {"type": "url_citation", "url_citation": own}


def annotation_from_chat(annotation: Body, start: int) -> Body | None:
    """A citation as a part's annotation; None for one that the Responses API has no words for."""
    own = as_object(annotation.get("url_citation"))
    if annotation.get("type") == "url_citation" and as_text(own.get("url")):
        made: Body = {"type": "url_citation", "start_index": 0, "end_index": 0, "title": "", **own}
        for key in ("start_index", "end_index"):
            made[key] = max(0, made[key] - start) if isinstance(made[key], int) else 0
        made["title"] = as_text(made["title"])
        return made
    cited = as_object(annotation.get("citation"))
    return cited if as_text(cited.get("type")) in _CITATIONS else None


_CITATIONS = frozenset({"file_citation", "container_file_citation", "file_path"})
