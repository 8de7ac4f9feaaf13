"""Unstructured: a document goes in as a form, its elements come back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from modelmesh_core import (
    Flow,
    FormFile,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    VendorProvider,
    as_list,
    as_number,
    as_object,
    as_objects,
    as_text,
    drop_unknown,
    encode_form,
    file_of,
    refused,
)

from . import document

_PATH = "/general/v0/general"
_OWN = frozenset(
    {
        "coordinates",
        "encoding",
        "include_page_breaks",
        "languages",
        "pdf_infer_table_structure",
        "skip_infer_table_types",
    }
    | {"starting_page_number", "unique_element_ids", "xml_keep_tags", "chunking_strategy", "max_characters", "overlap"}
    | {"new_after_n_chars", "combine_under_n_chars", "include_orig_elements", "multipage_sections", "overlap_all"}
    | {"extract_image_block_types", "hi_res_model_name", "similarity_threshold", "table_ocr_agent"}
    | {"vlm_model", "vlm_model_provider", "content_type", "skip_infer_table_types"}
)
_UNSPOKEN = frozenset({"PageBreak", "Header", "Footer", "PageNumber"})
"""Elements that are no part of the text as it is read."""


class Unstructured(VendorProvider):
    """``unstructured.doc-parse.v1``. A model's upstream name is a strategy: ``auto``, ``fast``, ``hi_res``, ..."""

    title = "Unstructured"
    operations = frozenset({Operation.DOCUMENT_PARSING})

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.unstructuredapp.io")
        self.base_url = self.base_url.removesuffix(_PATH)

    def key_header(self, key: str) -> dict[str, str]:
        return {"unstructured-api-key": key}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.DOCUMENT_PARSING:
            raise self.unable(call)
        form = document.format_of(call)
        media_type, content = encode_form(fields_of(call))
        headers = {"content-type": media_type, "accept": "application/json"}
        response = yield from self.ask(self.request("POST", _PATH, content=content, headers=headers))
        answer: Any = response.json()
        if not isinstance(answer, list):
            raise self.undecodable(response, "a list of elements")
        elements = as_objects(as_list(answer))
        pages = pages_of(elements)
        plain = "\n\n".join(text for one in elements if _is_read(one) and (text := as_text(one.get("text"))))
        marked = "\n\n".join(text for page in pages if (text := page["markdown"]))
        return document.parsed(plain if form == "text" else marked, pages, elements, response)

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Sends a form without a file, which only who has a key is told of."""
        media_type, content = encode_form([("strategy", "fast")])
        response = yield self.request("POST", _PATH, content=content, headers={"content-type": media_type})
        if not 200 <= response.status < 300 and response.status not in (400, 422):
            raise self.error(response)


def fields_of(call: ProviderCall) -> list[tuple[str, str | FormFile]]:
    """The form that is sent."""
    body = call.body
    if body.get("url") and not body.get("file"):
        raise refused("url: Unstructured takes files only: send its bytes as file", "unsupported_parameter")
    drop_unknown(call, document.KNOWN | _OWN)
    fields: list[tuple[str, str | FormFile]] = [
        ("strategy", call.upstream_model),
        ("output_format", "application/json"),
    ]
    for name in sorted(_OWN):
        value = body.get(name)
        for item in as_list(value) if isinstance(value, list) else [value]:
            if isinstance(item, (str, bool, int, float)):
                fields.append((name, str(item).lower() if isinstance(item, bool) else str(item)))
    return [*fields, ("files", file_of(body.get("file"), "file", body.get("filename"), body.get("media_type")))]


def pages_of(elements: Sequence[Json]) -> list[Json]:
    """Elements by the page that they stand on; what names none stands where the one before it does."""
    pages: dict[int, Json] = {}
    index = 0
    for element in elements:
        metadata = as_object(element.get("metadata"))
        number = as_number(metadata.get("page_number"))
        index = index if number is None or number < 1 else int(number) - 1
        page = pages.setdefault(index, {"index": index, "markdown": "", "images": []})
        if image := as_text(metadata.get("image_base64")):
            kind = as_text(metadata.get("image_mime_type")) or "image/jpeg"
            identity = as_text(element.get("element_id"))
            page["images"].append({"id": identity, "image_base64": f"data:{kind};base64,{image}"})
        if _is_read(element) and (text := _markdown(element, metadata)):
            page["markdown"] = f"{page['markdown']}\n\n{text}".strip()
    return [pages[index] for index in sorted(pages)]


def _is_read(element: Json) -> bool:
    return as_text(element.get("type")) not in _UNSPOKEN


def _markdown(element: Json, metadata: Json) -> str:
    kind, text = as_text(element.get("type")), as_text(element.get("text"))
    if kind == "Title" and text:
        depth = as_number(metadata.get("category_depth")) or 0
        return f"{'#' * (1 + int(min(max(depth, 0), 5)))} {' '.join(text.split())}"
    if kind == "ListItem" and text:
        return f"- {text}"
    if kind == "Table":
        return as_text(metadata.get("text_as_html")) or text
    return f"```\n{text}\n```" if kind == "CodeSnippet" and text else text
