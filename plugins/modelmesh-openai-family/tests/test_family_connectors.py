"""The connectors themselves: names, keys, catalogues."""

import tomllib
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from modelmesh_core import CapabilityTree, ModelMesh, Operation
from modelmesh_core.testing import FakeUpstream, answers

from .conftest import CONNECTORS, make

KEYS = {
    "mistral.api.v1": "MISTRAL_API_KEY",
    "deepseek.api.v1": "DEEPSEEK_API_KEY",
    "groq.api.v1": "GROQ_API_KEY",
    "together.api.v1": "TOGETHER_API_KEY",
    "xai.grok.v1": "XAI_API_KEY",
    "openrouter.gateway.v1": "OPENROUTER_API_KEY",
    "perplexity.search.v1": "PERPLEXITY_API_KEY",
    "fireworks.api.v1": "FIREWORKS_API_KEY",
    "cerebras.api.v1": "CEREBRAS_API_KEY",
    "huggingface.inference.v1": "HF_TOKEN",
    "cloudflare.workers-ai.v1": "CLOUDFLARE_API_TOKEN",
    "azure.openai.v1": "AZURE_OPENAI_API_KEY",
    "moonshot.api.v1": "MOONSHOT_API_KEY",
    "zai.api.v1": "ZAI_API_KEY",
}


def test_every_vendor_is_there_found_by_its_key_and_named_as_an_entry_point():
    assert {identity: connector.environment.api_key[0] for identity, connector in CONNECTORS.items()} == KEYS
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    points = project["project"]["entry-points"]["modelmesh.connectors"]
    assert set(points) == {f"provider.{identity}" for identity in KEYS}


@pytest.mark.parametrize("identity", sorted(KEYS))
def test_catalogues_name_what_the_mesh_knows_and_the_connector_serves(identity):
    tree, connector = CapabilityTree(), CONNECTORS[identity]
    models = connector.models()
    served = make(identity).operations
    assert models and len({model.id for model in models}) == len(models)
    for model in models:
        assert model.id.startswith(identity.split(".")[0] + ".")
        assert all(tree.resolve(name) for name in model.capabilities)
        assert model.source and model.as_of == "2026-11-23"
        assert all(price is None or price >= 0 for price in (model.pricing.input, model.pricing.output))
        if "chat-completion" in model.capabilities:
            assert Operation.CHAT in served and "system_prompt" in model.features
            assert (model.constraints.context_window or 8192) >= 8192, model.id


def listing(identity, base_url=None, **options):
    return next(make(identity, base_url, **options).list_models()).url


def test_models_are_listed_where_each_vendor_lists_them(play, answer):
    assert listing("groq.api.v1") == "https://api.groq.com/openai/v1/models"
    assert listing("perplexity.search.v1") == "https://api.perplexity.ai/v1/models"
    assert listing("azure.openai.v1") == "https://mine.openai.azure.com/openai/v1/models"
    assert listing("azure.openai.v1", "https://x.openai.azure.com", api_version="2024-10-21") == (
        "https://x.openai.azure.com/openai/models?api-version=2024-10-21"
    )
    rows = {"success": True, "result": [{"id": "0-1", "name": "@cf/x/y"}, {"name": 3}]}
    (request,), models = play(make("cloudflare.workers-ai.v1").list_models(), answer(rows))
    assert request.url.endswith("/accounts/acc0unt/ai/models/search?per_page=1000")
    assert [(model.id, model.upstream_model) for model in models] == [("cloudflare.@cf/x/y", "@cf/x/y")]
    (request,), _ = play(make("openrouter.gateway.v1").check_health(), answer({"data": {}}))
    assert request.url == "https://openrouter.ai/api/v1/key"


def test_openrouters_list_has_prices(play, answer):
    rows = [
        {"id": "x/y", "pricing": {"prompt": "0.00000125", "completion": "0.00001", "input_cache_read": "0"}},
        {"id": "auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "odd", "pricing": {"prompt": "free"}},
    ]
    _, models = play(make("openrouter.gateway.v1").list_models(), answer({"data": rows}))
    prices = [(model.pricing.input, model.pricing.output, model.pricing.cached_input) for model in models]
    assert prices == [(Decimal("1.25"), Decimal(10), Decimal(0)), (None, None, None), (None, None, None)]


DETECTED = {
    "GROQ_API_KEY": "k",
    "HF_TOKEN": "k",
    "CLOUDFLARE_API_TOKEN": "k",
    "CLOUDFLARE_ACCOUNT_ID": "acc",
    "AZURE_OPENAI_API_KEY": "k",
    "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
    "OPENAI_API_VERSION": "2024-10-21",
}


def test_providers_are_made_from_the_environment_alone(monkeypatch):
    for name, value in DETECTED.items():
        monkeypatch.setenv(name, value)
    with ModelMesh.from_env() as mesh:
        vendors = {model.id.split(".")[0] for model in mesh.engine.models.list_models()}
    assert {"groq", "huggingface", "cloudflare", "azure"} <= vendors


@pytest.mark.parametrize("name", ["AZURE_OPENAI_ENDPOINT", "CLOUDFLARE_ACCOUNT_ID"])
def test_half_of_what_is_needed_detects_nothing(monkeypatch, name):
    for known, value in DETECTED.items():
        monkeypatch.setenv(known, value)
    monkeypatch.delenv(name)
    with ModelMesh.from_env() as mesh:
        vendors = {model.id.split(".")[0] for model in mesh.engine.models.list_models()}
    assert "groq" in vendors and name.split("_")[0].lower() not in vendors


CONFIG = {"providers": {"mistral": {"connector": "mistral.api.v1", "api_key": "k"}}}
ASKED = {"model": "mistral.mistral-small-latest", "messages": [{"role": "user", "content": "Capital of France?"}]}


def thinking(*content, finish_reason=None, **more):
    choice = {"index": 0, "delta": {"content": list(content)}, "finish_reason": finish_reason}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def test_a_stream_through_the_mesh_has_reasoning_text_and_usage():
    upstream = FakeUpstream()
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    pieces = [
        thinking({"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}),
        thinking({"type": "text", "text": "Par"}),
        thinking({"type": "text", "text": "is"}, finish_reason="stop", usage=usage),
        b"data: [DONE]\n\n",
    ]
    head = {"content-type": "text/event-stream"}
    upstream.script("https://api.mistral.ai", [answers.Answer(200, b"", head, chunks=pieces)])
    with ModelMesh(CONFIG, clock=upstream.clock, make_transport=upstream.make_transport) as mesh:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(mesh.get_client().chat.completions.create(**ASKED, **options))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Paris"
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Hm."
    assert chunks[-1].usage.total_tokens == 14
    assert "stream_options" not in orjson.loads(upstream.requests[0].body)
