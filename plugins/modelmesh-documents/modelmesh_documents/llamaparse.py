"""LlamaParse: a document is uploaded, and its job asked for until it is done."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

from modelmesh_core import (
    Failure,
    FailureKind,
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    Reply,
    VendorProvider,
    as_number,
    as_object,
    as_objects,
    as_text,
    drop_unknown,
    encode_form,
    file_of,
    json_bytes,
    object_of,
    poll_delays,
    provider_error,
)

from . import document
from .options import LlamaParseOptions

_OWN = frozenset(
    {"agentic_options", "crop_box", "input_options", "output_options", "page_ranges", "processing_options", "version"}
    | {"processing_control", "disable_cache", "client_name", "fast_options"}
)
_EXPANDED = {"markdown": "markdown", "text": "text", "elements": "items"}
_MISTAKEN = re.compile(
    r"unsupported|corrupt|password|encrypt|invalid|not a valid|too (?:large|many|big)|exceed|empty", re.I
)


class LlamaParse(VendorProvider):
    """``llamaindex.doc-parse.v1``. A model's upstream name is a tier: ``fast``, ``cost_effective``, ``agentic``, ..."""

    title = "LlamaParse"
    operations = frozenset({Operation.DOCUMENT_PARSING})

    def __init__(self, settings: ProviderSettings) -> None:
        given = settings.options
        self._options = given if isinstance(given, LlamaParseOptions) else LlamaParseOptions()
        super().__init__(settings, "https://api.cloud.llamaindex.ai")

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.DOCUMENT_PARSING:
            raise self.unable(call)
        wanted = self._wanted(call)
        response = yield from self.ask(self._submission(call))
        answer, polls = object_of(response), poll_delays(1.0)
        job = as_object(answer.get("job")) or answer
        identity = as_text(job.get("id"))
        path, query = f"/api/v2/parse/{quote(identity, safe='')}", {**self._project(), "expand": _EXPANDED[wanted]}
        while (status := as_text(job.get("status")).upper()) in ("PENDING", "RUNNING") and identity:
            response = yield from self.ask(self.request("GET", path, query=query, delay=next(polls)))
            answer = object_of(response)
            job = as_object(answer.get("job"))
        if status in ("FAILED", "ERROR", "CANCELLED"):
            raise failed(job)
        if status not in ("COMPLETED", "SUCCESS", "PARTIAL_SUCCESS"):
            raise self.undecodable(response, "a job's id and status")
        if _EXPANDED[wanted] not in answer:  # the job was done before it was asked for
            response = yield from self.ask(self.request("GET", path, query=query))
            answer = object_of(response)
        return self._read(answer, wanted, response)

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Lists one job."""
        yield from self.ask(self.request("GET", "/api/v2/parse", query={**self._project(), "page_size": "1"}))

    def _wanted(self, call: ProviderCall) -> str:
        wanted = document.format_of(call)
        if call.upstream_model != "fast" or wanted == "text":
            return wanted
        if call.body.get("output_format") is not None:
            call.drop("output_format", "the tier fast makes text only")
        return "text"

    def _submission(self, call: ProviderCall) -> HttpRequest:
        body = call.body
        drop_unknown(call, document.KNOWN | _OWN)
        own = {name: body[name] for name in sorted(_OWN) if body.get(name) is not None}
        job: Json = {"tier": call.upstream_model, "version": self._options.version, **own}
        if (url := as_text(body.get("url"))) and not body.get("file"):
            return self.request("POST", "/api/v2/parse", query=self._project(), json={**job, "source_url": url})
        file = file_of(body.get("file"), "file", body.get("filename"), body.get("media_type"))
        configuration = json_bytes(job).decode()
        media_type, content = encode_form([("configuration", configuration), ("file", file)])
        headers = {"content-type": media_type}
        return self.request("POST", "/api/v2/parse/upload", query=self._project(), content=content, headers=headers)

    def _project(self) -> dict[str, str]:
        return {"project_id": self._options.project_id} if self._options.project_id else {}

    def _read(self, answer: Json, wanted: str, response: HttpResponse) -> Reply:
        held: Any = as_object(answer.get(_EXPANDED[wanted])).get("pages")
        if not isinstance(held, list):
            raise self.undecodable(response, f"pages of {_EXPANDED[wanted]}")
        rows = as_objects(held)
        pages = [_page(place, row) for place, row in enumerate(rows)]
        if pages and all("error" in page for page in pages):
            message = f"no page could be parsed: {pages[0]['error']}"
            raise provider_error(Failure(FailureKind.SERVER, message, code="parse_failed", body=answer))
        elements = [
            {"page_index": page["index"], **item}
            for page, row in zip(pages, rows, strict=True)
            for item in as_objects(row.get("items"))
        ]
        text = "\n\n".join(page["markdown"] for page in pages if page["markdown"])
        return document.parsed(text, pages, elements, response)


def _page(place: int, row: Json) -> Json:
    number = as_number(row.get("page_number"))
    index = int(number) - 1 if number is not None and number >= 1 else place
    text = as_text(row.get("markdown")) or as_text(row.get("text"))
    text = text or "\n\n".join(filter(None, (as_text(item.get("md")) for item in as_objects(row.get("items")))))
    page: Json = {"index": index, "markdown": text, "images": as_objects(row.get("images"))}
    if row.get("success") is False or as_text(row.get("error")):
        page["error"] = as_text(row.get("error")) or "no reason given"
    return page


def failed(job: Json) -> ProviderError:
    """A job that came to nothing."""
    status = as_text(job.get("status")).lower()
    message = as_text(job.get("error_message")) or f"the job was {status}, and no reason was given"
    is_callers = status != "cancelled" and _MISTAKEN.search(message) is not None
    kind = FailureKind.INVALID_REQUEST if is_callers else FailureKind.SERVER
    code = as_text(job.get("error_code")) or f"job_{status}"
    return provider_error(Failure(kind, message, status=400 if is_callers else None, code=code, body=job))
