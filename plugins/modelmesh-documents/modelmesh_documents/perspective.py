"""Google's Perspective: how likely a reader takes a comment for toxic, an insult, a threat."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from modelmesh_core import (
    FailureKind,
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    VendorProvider,
    as_list,
    as_number,
    as_object,
    as_objects,
    as_text,
    drop_unknown,
    headroom_of,
    object_of,
    refused,
)

from .options import PerspectiveOptions


class Perspective(VendorProvider):
    """``google.moderation.v1``."""

    title = "Perspective"
    operations = frozenset({Operation.MODERATION})
    error_codes = {"resource_exhausted": FailureKind.RATE_LIMIT, "permission_denied": FailureKind.AUTHENTICATION}

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError if no attribute is left to score, or a threshold is none."""
        given = settings.options
        self._options = given if isinstance(given, PerspectiveOptions) else PerspectiveOptions()
        limits = [self._options.threshold, *self._options.thresholds.values()]
        if not self._options.attributes or not all(0 <= limit <= 1 for limit in limits):
            raise ValueError(f"providers.{settings.name}: attributes cannot be empty, thresholds lie between 0 and 1")
        super().__init__(settings, "https://commentanalyzer.googleapis.com")

    def key_header(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.MODERATION:
            raise self.unable(call)
        drop_unknown(call, frozenset({"input"}))
        results: list[Json] = []
        response = HttpResponse(0)
        for text in comments_of(call):
            response = yield from self.ask(self._analysis(text))
            scores = as_object(object_of(response).get("attributeScores"))
            if not scores:
                raise self.undecodable(response, "attributeScores")
            results.append(self._judged(scores))
        return Reply(
            {"id": "", "model": call.upstream_model, "results": results},
            headroom=headroom_of(response.headers, response.received_at),
            headers=response.headers,
        )

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Scores one word: the API has nothing cheaper, and it is free."""
        yield from self.ask(self._analysis("hello"))

    def _analysis(self, text: str) -> HttpRequest:
        options = self._options
        body: Json = {
            "comment": {"text": text, "type": "PLAIN_TEXT"},
            "requestedAttributes": {attribute: {} for attribute in options.attributes},
            "doNotStore": not options.store,
        }
        if options.languages:
            body["languages"] = list(options.languages)
        return self.request("POST", "/v1alpha1/comments:analyze", json=body)

    def _judged(self, scores: Json) -> Json:
        values: dict[str, float] = {}
        applies: dict[str, bool] = {}
        for attribute in self._options.attributes:
            value = as_number(as_object(as_object(scores.get(attribute)).get("summaryScore")).get("value"))
            if value is not None:
                values[attribute.lower()] = value
                limit = self._options.thresholds.get(attribute, self._options.threshold)
                applies[attribute.lower()] = value >= limit
        return {"flagged": any(applies.values()), "categories": applies, "category_scores": values}


def comments_of(call: ProviderCall) -> list[str]:
    """The texts of ``input``: one, several, or the parts of one. Raises ProviderError for anything else."""
    given: Any = call.body.get("input")
    parts = as_objects(given)
    if parts and len(parts) == len(as_list(given)):
        if any(part.get("type") != "text" for part in parts):
            raise refused("input: Perspective reads text only", "unsupported_content")
        given = "".join(as_text(part.get("text")) for part in parts)
    texts = as_list(given) if isinstance(given, list) else [given]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise refused("input: expected a text or a list of texts, none of them empty", "invalid_input")
    return texts
