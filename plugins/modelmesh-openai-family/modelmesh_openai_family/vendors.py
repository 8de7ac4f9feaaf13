"""The vendors: a row of data for each."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from modelmesh_core import EnvironmentKey, FailureKind, Operation

from . import codes
from .options import AzureOptions, CloudflareOptions
from .traits import Traits

CHAT, EMBEDDINGS, SPEECH = Operation.CHAT, Operation.EMBEDDINGS, Operation.SPEECH
TRANSCRIPTION, IMAGES, RERANK = Operation.TRANSCRIPTION, Operation.IMAGES, Operation.RERANK

MAX_TOKENS: Mapping[str, str] = {"max_completion_tokens": "max_tokens"}
HARMLESS = frozenset({"metadata", "store", "prompt_cache_key", "safety_identifier"})
NOT_OPENAIS = frozenset({"top_k", "thinking", "safety_settings", "web_search_options"})
SPOKEN = frozenset({"modalities", "audio", "prediction"})
SCORES = frozenset({"logprobs", "top_logprobs", "logit_bias"})
PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})


@attrs.frozen
class Vendor:
    """One provider connector."""

    id: str
    title: str
    serves: str
    catalogue: str
    """The file of its models, without its ending."""
    environment: EnvironmentKey
    base_url: str | None
    traits: Traits
    made_by: str = "provider.FamilyProvider"
    """Module and class within this package."""
    options: type | None = None


def _key(name: str, *others: str) -> EnvironmentKey:
    return EnvironmentKey(api_key=(name, *others), base_url=(name.replace("_API_KEY", "_BASE_URL"),))


VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "mistral.api.v1",
        "Mistral",
        "chat, embeddings, speech, transcription, moderation",
        "mistral",
        _key("MISTRAL_API_KEY"),
        "https://api.mistral.ai/v1",
        Traits(
            operations=frozenset({CHAT, EMBEDDINGS, SPEECH, TRANSCRIPTION, Operation.MODERATION}),
            renamed={**MAX_TOKENS, "seed": "random_seed"},
            lacks=NOT_OPENAIS | SCORES | {"modalities", "audio"},
            ignores=HARMLESS | {"user", "service_tier"},
            reasoning_back="thinking",
            reasoning_needs_feature=True,
            keeps=frozenset({"index"}),
            takes_stream_options=False,
            prefill_mark={"prefix": True},
            errors={"invalid_model": FailureKind.MODEL_NOT_FOUND, "1500": FailureKind.MODEL_NOT_FOUND},
        ),
        "mistral.Mistral",
    ),
    Vendor(
        "deepseek.api.v1",
        "DeepSeek",
        "chat",
        "deepseek",
        _key("DEEPSEEK_API_KEY"),
        "https://api.deepseek.com",
        Traits(
            speaks_responses=True,
            renamed=MAX_TOKENS,
            lacks=(NOT_OPENAIS | SPOKEN | {"n", "seed", "logit_bias", "parallel_tool_calls"}) - {"thinking"},
            ignores=HARMLESS | {"service_tier"},
            takes_json_schema=False,
            reasoning_back="reasoning_content",
            prefill_mark={"prefix": True},
            failures=frozenset({"insufficient_system_resource"}),
        ),
        "others.DeepSeek",
    ),
    Vendor(
        "groq.api.v1",
        "Groq",
        "chat, speech, transcription",
        "groq",
        _key("GROQ_API_KEY"),
        "https://api.groq.com/openai/v1",
        Traits(
            speaks_responses=True,
            operations=frozenset({CHAT, SPEECH, TRANSCRIPTION}),
            lacks=NOT_OPENAIS | SPOKEN | SCORES,
            ignores=HARMLESS,
            reasoning_back="reasoning",
            reasoning_needs_feature=True,
            errors={"model_decommissioned": FailureKind.MODEL_NOT_FOUND},
        ),
        "others.Groq",
    ),
    Vendor(
        "together.api.v1",
        "Together AI",
        "chat, embeddings, images, speech, transcription, reranking",
        "together",
        _key("TOGETHER_API_KEY"),
        "https://api.together.xyz/v1",
        Traits(
            operations=frozenset({CHAT, EMBEDDINGS, IMAGES, SPEECH, TRANSCRIPTION, RERANK}),
            renamed=MAX_TOKENS,
            lacks=(NOT_OPENAIS | SPOKEN) - {"top_k"},
            ignores=HARMLESS | {"user", "service_tier"},
            reasoning_back="reasoning",
            reasoning_needs_feature=True,
        ),
        "others.Together",
    ),
    Vendor(
        "xai.grok.v1",
        "xAI",
        "chat, images",
        "xai",
        _key("XAI_API_KEY"),
        "https://api.x.ai/v1",
        Traits(
            speaks_responses=True,
            operations=frozenset({CHAT, IMAGES}),
            lacks=NOT_OPENAIS | SPOKEN | {"logit_bias"},
            ignores=HARMLESS | {"service_tier"},
            takes_developer=True,
            reasoning_back="reasoning_content",
        ),
        "sourced.Xai",
    ),
    Vendor(
        "openrouter.gateway.v1",
        "OpenRouter",
        "chat, embeddings, images, speech, transcription, reranking, of many vendors",
        "openrouter",
        _key("OPENROUTER_API_KEY"),
        "https://openrouter.ai/api/v1",
        Traits(
            speaks_responses=True,
            operations=frozenset({CHAT, EMBEDDINGS, IMAGES, SPEECH, TRANSCRIPTION, RERANK}),
            paths={IMAGES: "/images"},
            lacks=frozenset({"safety_settings"}),
            takes_developer=True,
            reasoning_back="reasoning",
            keeps=frozenset({"reasoning_details", "annotations", "cache_control", "images", "audio"}),
        ),
        "openrouter.OpenRouter",
    ),
    Vendor(
        "perplexity.search.v1",
        "Perplexity",
        "chat that searches the web, embeddings, web search",
        "perplexity",
        _key("PERPLEXITY_API_KEY"),
        "https://api.perplexity.ai",
        Traits(
            operations=frozenset({CHAT, EMBEDDINGS, Operation.SEARCH}),
            paths={EMBEDDINGS: "/v1/embeddings"},
            renamed=MAX_TOKENS,
            lacks=SPOKEN
            | SCORES
            | {"thinking", "safety_settings", "n", "seed", "tools", "tool_choice", "parallel_tool_calls"},
            ignores=HARMLESS | {"user", "service_tier"},
            takes_stream_options=False,
        ),
        "perplexity.Perplexity",
    ),
    Vendor(
        "fireworks.api.v1",
        "Fireworks AI",
        "chat, embeddings, reranking",
        "fireworks",
        _key("FIREWORKS_API_KEY"),
        "https://api.fireworks.ai/inference/v1",
        Traits(
            operations=frozenset({CHAT, EMBEDDINGS, RERANK}),
            renamed=MAX_TOKENS,
            lacks=(NOT_OPENAIS | SPOKEN) - {"top_k", "thinking", "prediction"},
            ignores=HARMLESS,
            reasoning_back="reasoning_content",
        ),
    ),
    Vendor(
        "cerebras.api.v1",
        "Cerebras",
        "chat",
        "cerebras",
        _key("CEREBRAS_API_KEY"),
        "https://api.cerebras.ai/v1",
        Traits(
            lacks=NOT_OPENAIS | PENALTIES | {"modalities", "audio", "logit_bias", "n"},
            ignores=HARMLESS,
            takes_developer=True,
            reasoning_back="reasoning",
            reasoning_needs_feature=True,
            errors={"token_quota_exceeded": FailureKind.RATE_LIMIT, "request_quota_exceeded": FailureKind.RATE_LIMIT},
        ),
    ),
    Vendor(
        "huggingface.inference.v1",
        "Hugging Face",
        "chat, embeddings, images",
        "huggingface",
        EnvironmentKey(api_key=("HF_TOKEN", "HUGGINGFACE_API_KEY")),
        "https://router.huggingface.co/v1",
        Traits(
            operations=frozenset({CHAT, EMBEDDINGS, IMAGES}),
            renamed=MAX_TOKENS,
            lacks=(NOT_OPENAIS | SPOKEN) - {"top_k"},
            ignores=HARMLESS | {"service_tier", "user"},
        ),
        "huggingface.HuggingFace",
    ),
    Vendor(
        "cloudflare.workers-ai.v1",
        "Cloudflare Workers AI",
        "chat, embeddings, images",
        "cloudflare",
        EnvironmentKey(
            api_key=("CLOUDFLARE_API_TOKEN",),
            required=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"),
            options={"account_id": "CLOUDFLARE_ACCOUNT_ID"},
        ),
        None,
        Traits(
            operations=frozenset({CHAT, EMBEDDINGS, IMAGES}),
            renamed=MAX_TOKENS,
            lacks=(NOT_OPENAIS | SPOKEN | SCORES | {"n"}) - {"top_k"},
            ignores=HARMLESS | {"service_tier", "user"},
            errors=codes.CLOUDFLARE,
        ),
        "cloudflare.Cloudflare",
        CloudflareOptions,
    ),
    Vendor(
        "azure.openai.v1",
        "Azure OpenAI",
        "chat, embeddings, images, speech, transcription, by deployment",
        "azure",
        EnvironmentKey(
            api_key=("AZURE_OPENAI_API_KEY",),
            base_url=("AZURE_OPENAI_ENDPOINT",),
            required=("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
            options={"api_version": "OPENAI_API_VERSION"},
        ),
        None,
        Traits(
            speaks_responses=True,
            operations=frozenset({CHAT, EMBEDDINGS, IMAGES, SPEECH, TRANSCRIPTION}),
            lacks=frozenset({"top_k", "thinking", "safety_settings"}),
            takes_developer=True,
            keeps=frozenset({"audio", "refusal"}),
            errors=codes.AZURE,
        ),
        "azure.Azure",
        AzureOptions,
    ),
    Vendor(
        "moonshot.api.v1",
        "Moonshot AI",
        "chat",
        "moonshot",
        _key("MOONSHOT_API_KEY"),
        "https://api.moonshot.ai/v1",
        Traits(
            lacks=(NOT_OPENAIS | SPOKEN | SCORES | {"seed", "parallel_tool_calls"}) - {"thinking"},
            ignores=(HARMLESS | {"service_tier", "user"}) - {"prompt_cache_key", "safety_identifier"},
            tool_choices=frozenset({"auto", "none"}),
            reasoning_back="reasoning_content",
            prefill_mark={"partial": True},
            errors=codes.MOONSHOT,
        ),
        "others.Moonshot",
    ),
    Vendor(
        "zai.api.v1",
        "Z.ai",
        "chat, images",
        "zai",
        _key("ZAI_API_KEY", "Z_AI_API_KEY"),
        "https://api.z.ai/api/paas/v4",
        Traits(
            operations=frozenset({CHAT, IMAGES}),
            renamed=MAX_TOKENS,
            lacks=(NOT_OPENAIS | SPOKEN | SCORES | PENALTIES | {"seed", "n", "parallel_tool_calls"}) - {"thinking"},
            ignores=HARMLESS | {"service_tier", "user"},
            takes_json_schema=False,
            tool_choices=frozenset({"auto"}),
            reasoning_back="reasoning_content",
            failures=frozenset({"network_error"}),
            errors=codes.ZAI,
        ),
    ),
)
