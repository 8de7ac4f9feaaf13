"""What the generated tables say that the code does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from modelmesh_core import FailureKind


class Words(NamedTuple):
    """One row of the error table. ``again`` and ``other`` stand where yes or no would say too little."""

    what: str
    marks: str
    again: str = ""
    other: str = ""


_FAILURE = "a failure of the model"
_NOTHING = "nothing: it goes back to the caller"

FAILURES: Mapping[FailureKind, Words] = {
    FailureKind.CONNECTION: Words("refused, reset, no such host, bad certificate", _FAILURE),
    FailureKind.TIMEOUT: Words("nothing came within a limit", _FAILURE),
    FailureKind.SERVER: Words("408, 500, 502, 503, 504, 529 and their kin", _FAILURE),
    FailureKind.RATE_LIMIT: Words(
        "429", "standby until the provider's reset", "if a time is known, and the wait fits `max_delay`"
    ),
    FailureKind.QUOTA: Words("429, the account's quota is used up", "standby until the reset, else until the day ends"),
    FailureKind.AUTHENTICATION: Words("401, 402, 403: key or billing", "all models of the provider: standby"),
    FailureKind.MODEL_NOT_FOUND: Words("404, 410: no such model", "standby for `max_cooldown`, then a probe"),
    FailureKind.CONTEXT_LENGTH: Words(
        "the request is too long for the model; 413", "nothing", other="yes, one with a larger window or an unknown one"
    ),
    FailureKind.INVALID_REQUEST: Words("400, 422 and other mistakes of the caller", _NOTHING),
    FailureKind.CONTENT_FILTER: Words("refused by content policy", _NOTHING, other="with `rotate_on_content_filter`"),
    FailureKind.UNDECODABLE: Words("a success whose body makes no sense", _FAILURE),
    FailureKind.STREAM_CUT: Words(
        "a stream broke off", _FAILURE, "yes; after the first content by `on_stream_failure`", "as beside"
    ),
    FailureKind.CANCELLED: Words("the caller went away", "nothing"),
}

PLANNED: Mapping[str, tuple[str, ...]] = {
    "provider": (
        "azure.openai.v1",
        "anthropic.claude.v1",
        "google.gemini.v1",
        "aws.bedrock.v1",
        "mistral.api.v1",
        "deepseek.api.v1",
        "groq.api.v1",
        "together.api.v1",
        "xai.grok.v1",
        "openrouter.gateway.v1",
        "perplexity.search.v1",
        "fireworks.api.v1",
        "cerebras.api.v1",
        "cohere.nlp.v1",
        "huggingface.inference.v1",
        "cloudflare.workers-ai.v1",
        "replicate.inference.v1",
        "elevenlabs.tts.v1",
        "azure.tts.v1",
        "assemblyai.stt.v1",
        "stability.image-gen.v1",
        "fal.media-gen.v1",
        "tavily.search.v1",
        "serper.search.v1",
        "jina.search.v1",
        "firecrawl.search.v1",
        "google.search.v1",
        "unstructured.doc-parse.v1",
        "llamaindex.doc-parse.v1",
        "deepl.translation.v1",
        "google.moderation.v1",
    ),
    "secret-store": (
        "aws.secrets-manager.v1",
        "google.secret-manager.v1",
        "microsoft.key-vault.v1",
        "1password.connect.v1",
        "hashicorp.vault.v1",
    ),
    "storage": ("redis.redis.v1", "aws.s3.v1", "google.drive.v1", "postgres.postgres.v1"),
    "observability": ("prometheus.metrics.v1", "opentelemetry.otlp.v1"),
    "discovery": ("modelmesh.registry-sync.v1", "modelmesh.health-monitor.v1"),
}
