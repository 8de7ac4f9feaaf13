"""Servers on one's own machines: Ollama, LM Studio, vLLM, LocalAI. Their models come from the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from urllib.parse import urlsplit

import attrs
from modelmesh_core import EnvironmentKey, OpenAICompatible, ProviderConnector, ProviderSettings, hookimpl

_SERVERS = (
    ("ollama.local.v1", "OLLAMA_HOST", 11434, "Ollama"),
    ("lmstudio.local.v1", "LMSTUDIO_HOST", 1234, "LM Studio"),
    ("vllm.local.v1", "VLLM_HOST", 8000, "vLLM"),
    ("localai.local.v1", "LOCALAI_HOST", 8080, "LocalAI"),
)
_LISTENING_ONLY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that mean every interface to a server, which a client cannot call, and what to call instead."""


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    for identity, variable, port, name in _SERVERS:
        yield ProviderConnector(
            id=identity,
            create=partial(_create, port),
            default_name=identity.partition(".")[0],
            environment=EnvironmentKey(base_url=(variable,), required=(variable,)),
            requires_api_key=False,
            default_base_url=f"http://localhost:{port}/v1",
            description=f"{name} on your own machine: chat completions and embeddings.",
        )


def _create(port: int, settings: ProviderSettings) -> OpenAICompatible:
    return OpenAICompatible(attrs.evolve(settings, base_url=_address(settings.base_url or "", port)))


def _address(host: str, default_port: int) -> str:
    """The base URL for a host as people write it: ``host``, ``host:port``, ``:port``, or a URL, with or without /v1."""
    text = host.strip().rstrip("/")
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        port = parts.port or (default_port if url != text else None)
    except ValueError:
        return url  # refused by OpenAICompatible, which says what is wrong
    if "@" in parts.netloc:
        return url
    name = _LISTENING_ONLY.get(parts.hostname or "", parts.hostname or "localhost")
    name = f"[{name}]" if ":" in name else name
    path = parts.path if parts.path.endswith("/v1") else f"{parts.path}/v1"
    return parts._replace(netloc=f"{name}:{port}" if port else name, path=path).geturl()
