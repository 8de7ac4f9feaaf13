"""Azure OpenAI: deployments instead of models, another key header, filters that report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

import attrs
from modelmesh_core import HttpResponse, LimitReport, ProviderCall, ProviderSettings

from .answers import Body
from .options import AzureOptions
from .provider import FamilyProvider
from .traits import Traits

_OWN_PATHS = ("/openai/v1", "/models")


class Azure(FamilyProvider):
    """``azure.openai.v1``. The model's upstream name is that of the deployment."""

    def __init__(self, traits: Traits, settings: ProviderSettings) -> None:
        super().__init__(traits, settings)
        options = settings.options if isinstance(settings.options, AzureOptions) else AzureOptions()
        self._version = options.api_version.strip()
        self._root = self.base_url.removesuffix("/openai")
        if not self._root.endswith(_OWN_PATHS) and not self._version:
            self.base_url = f"{self._root}/openai/v1"  # for the list of models as well

    def key_header(self, key: str) -> Mapping[str, str]:
        is_token = key.startswith("eyJ") and key.count(".") == 2  # of Microsoft Entra
        return {"authorization": f"Bearer {key}"} if is_token else {"api-key": key}

    def url(self, call: ProviderCall, path: str) -> str:
        if not self._version:
            return self.base_url + path
        query = urlencode({"api-version": self._version})
        if self._root.endswith(_OWN_PATHS):
            return f"{self._root}{path}?{query}"
        return f"{self._root}/openai/deployments/{quote(call.upstream_model, safe='')}{path}?{query}"

    def models_url(self) -> str:
        if not self._version:
            return super().models_url()
        root = self._root.removesuffix("/models").removesuffix("/openai/v1")
        return f"{root}/openai/models?{urlencode({'api-version': self._version})}"

    def translate_chunks(self, call: ProviderCall) -> Callable[[Body], Body | None]:
        return _Chunks(self.read)

    def limits(self, response: HttpResponse) -> Mapping[str, LimitReport]:
        """Its resets are whole seconds in some places, milliseconds in others: what was used up decides."""
        headroom = super().limits(response)
        return {kind: self._dated(kind, report, response) for kind, report in headroom.items()}

    def _dated(self, kind: str, report: LimitReport, response: HttpResponse) -> LimitReport:
        reset, limit, left = report.reset_after, report.limit, report.remaining
        try:
            period = float(response.headers.get(f"x-ratelimit-renewalperiod-{kind}", ""))
        except ValueError:
            return report
        if not reset or not limit or left is None:
            return report
        expected = (limit - left) / limit * period
        if abs(reset / 1000 - expected) < abs(reset - expected):
            return attrs.evolve(report, reset_after=reset / 1000)
        return report


class _Chunks:
    """Chunks about filters come without names of their own: they get those of the answer that they belong to."""

    def __init__(self, read: Callable[[Body], Body]) -> None:
        self._read = read
        self._known: Body = {}
        self._held: Body = {}

    def __call__(self, chunk: Body) -> Body | None:
        if not chunk.get("choices") and not chunk.get("usage") and "prompt_filter_results" in chunk:
            self._held = {"prompt_filter_results": chunk["prompt_filter_results"]}
            return None
        lacking = {key: self._known[key] for key in self._known if not chunk.get(key)}
        self._known = {key: chunk[key] for key in ("id", "object", "created", "model") if chunk.get(key)} or self._known
        if self._held or lacking:
            chunk, self._held = {**self._held, **chunk, **lacking}, {}
        return self._read(chunk)
