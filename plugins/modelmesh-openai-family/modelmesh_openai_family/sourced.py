"""xAI and Perplexity: sources beside the answer; pictures to edit are named in JSON."""

from __future__ import annotations

from collections.abc import Callable

from modelmesh_core import Operation, ProviderCall, as_list

from .answers import Body
from .citations import StreamedSources, annotated, sources_in
from .pictures import data_urls
from .provider import FamilyProvider


class Sourced(FamilyProvider):
    """A vendor that lists the sources of an answer beside it."""

    def translate_reply(self, call: ProviderCall, body: Body) -> Body:
        body = super().translate_reply(call, body)
        sources = sources_in(body) if call.operation is Operation.CHAT else []
        return {**body, "choices": annotated(as_list(body.get("choices")), "message", sources)} if sources else body

    def translate_chunks(self, call: ProviderCall) -> Callable[[Body], Body | None]:
        return StreamedSources(self.read)


class Xai(Sourced):
    """``xai.grok.v1``."""

    _REFUSED_WHEN_REASONING = ("presence_penalty", "frequency_penalty", "stop")

    def prepare(self, call: ProviderCall) -> Body:
        body = super().prepare(call)
        if call.operation is Operation.CHAT and "reasoning" in call.features:
            for name in self._REFUSED_WHEN_REASONING:
                if body.pop(name, None):
                    call.drop(name, "models that reason refuse it")
        if call.operation is Operation.IMAGES:
            images = [{"type": "image_url", "url": url} for url in data_urls(body.pop("image", None), "image")]
            if len(images) == 1:
                body["image"] = images[0]
            elif images:
                body["images"] = images
        return body
