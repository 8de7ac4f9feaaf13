"""What each vendor is sent for the same canonical request."""

import copy

import orjson
import pytest
from modelmesh_core import FailureKind, Operation, ProviderError
from modelmesh_openai_family.vendors import VENDORS

CHAT_URLS = {
    "mistral.api.v1": "https://api.mistral.ai/v1/chat/completions",
    "deepseek.api.v1": "https://api.deepseek.com/chat/completions",
    "groq.api.v1": "https://api.groq.com/openai/v1/chat/completions",
    "together.api.v1": "https://api.together.xyz/v1/chat/completions",
    "xai.grok.v1": "https://api.x.ai/v1/chat/completions",
    "openrouter.gateway.v1": "https://openrouter.ai/api/v1/chat/completions",
    "perplexity.search.v1": "https://api.perplexity.ai/chat/completions",
    "fireworks.api.v1": "https://api.fireworks.ai/inference/v1/chat/completions",
    "cerebras.api.v1": "https://api.cerebras.ai/v1/chat/completions",
    "huggingface.inference.v1": "https://router.huggingface.co/v1/chat/completions",
    "cloudflare.workers-ai.v1": "https://api.cloudflare.com/client/v4/accounts/acc0unt/ai/v1/chat/completions",
    "azure.openai.v1": "https://mine.openai.azure.com/openai/v1/chat/completions",
    "moonshot.api.v1": "https://api.moonshot.ai/v1/chat/completions",
    "zai.api.v1": "https://api.z.ai/api/paas/v4/chat/completions",
}
ALL = [vendor.id for vendor in VENDORS]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
PDF = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}}
HISTORY = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "reasoning_content": "Think.",
        "reasoning_details": [{"type": "reasoning.text", "text": "Think.", "signature": "s", "format": "anthropic-v1"}],
        "tool_calls": [
            {
                "id": "toolu_01",
                "type": "function",
                "function": {"name": "weather", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "x"}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "toolu_01", "content": "Rain"},
]


@pytest.mark.parametrize("identity", ALL)
def test_the_model_is_replaced_the_address_and_the_key_are_the_vendors(provider, call, identity):
    asked = call(upstream="their/model@1", temperature=0.1, own_speciality={"a": [1]})
    before = copy.deepcopy(asked.body)

    request = next(provider(identity).execute(asked))

    assert request.url == CHAT_URLS[identity]
    assert orjson.loads(request.body) == {**before, "model": "their/model@1"} and asked.body == before
    secret = request.headers.get("authorization") or request.headers["api-key"]
    assert secret.removeprefix("Bearer ") == "key-of-a-test"


@pytest.mark.parametrize("identity", ALL)
def test_history_of_other_vendors_is_made_fit(sent, identity):
    before = copy.deepcopy(HISTORY)
    system, user, assistant, tool = sent(identity, messages=HISTORY, features=("reasoning",))["messages"]

    traits = next(vendor.traits for vendor in VENDORS if vendor.id == identity)
    assert before == HISTORY
    assert system == {"role": "developer" if traits.takes_developer else "system", "content": "Be brief."}
    assert ("cache_control" in user["content"][0]) == (identity == "openrouter.gateway.v1")
    (made,) = assistant["tool_calls"]
    assert made["function"] == {"name": "weather", "arguments": "{}"} and "extra_content" not in made
    assert made["id"] == tool["tool_call_id"]
    assert "reasoning_details" not in assistant, "signed by one vendor, of no use to another"
    own = traits.reasoning_back
    if identity == "mistral.api.v1":
        assert assistant["content"] == [{"type": "thinking", "thinking": [{"type": "text", "text": "Think."}]}]
        assert len(made["id"]) == 9 and made["id"].isalnum()
    else:
        assert {key for key in assistant if key.startswith("reasoning")} == ({own} if own else set())
        assert made["id"] == "toolu_01"


@pytest.mark.parametrize("identity", ["groq.api.v1", "cerebras.api.v1", "mistral.api.v1"])
def test_models_that_do_not_reason_see_no_reasoning(sent, identity):
    assistant = sent(identity, messages=HISTORY)["messages"][2]
    assert "Think." not in orjson.dumps(assistant).decode()


def test_a_refusal_is_said_again_as_text(sent):
    message = {"role": "assistant", "content": None, "refusal": "No."}
    assert sent("groq.api.v1", messages=[message])["messages"] == [{"role": "assistant", "content": "No."}]


@pytest.mark.parametrize(
    ("identity", "given", "made"),
    [
        ("mistral.api.v1", {"seed": 7, "tool_choice": "required"}, {"random_seed": 7, "tool_choice": "any"}),
        ("mistral.api.v1", {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ("mistral.api.v1", {"max_completion_tokens": 5, "max_tokens": 6}, {"max_tokens": 6}),
        (
            "mistral.api.v1",
            {"safe_prompt": True, "response_format": SCHEMA},
            {"safe_prompt": True, "response_format": SCHEMA},
        ),
        ("deepseek.api.v1", {"max_completion_tokens": 5, "n": 1}, {"max_tokens": 5}),
        ("deepseek.api.v1", {"thinking": {"type": "enabled"}}, {"thinking": {"type": "enabled"}}),
        ("zai.api.v1", {"tools": [TOOL], "tool_choice": "none"}, {}),
        ("zai.api.v1", {"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL], "tool_choice": "auto"}),
        ("groq.api.v1", {"service_tier": "flex", "metadata": {"a": "b"}}, {"service_tier": "flex"}),
        (
            "openrouter.gateway.v1",
            {"thinking": {"type": "enabled", "budget_tokens": 9}},
            {"reasoning": {"max_tokens": 9}},
        ),
        ("openrouter.gateway.v1", {"thinking": {"type": "disabled"}}, {"reasoning": {"enabled": False}}),
        (
            "openrouter.gateway.v1",
            {"provider": {"order": ["x"]}, "models": ["a"]},
            {"provider": {"order": ["x"]}, "models": ["a"]},
        ),
        (
            "perplexity.search.v1",
            {"response_format": {"type": "json_object"}, "web_search_options": {}},
            {
                "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
                "web_search_options": {},
            },
        ),
    ],
)
def test_parameters_have_the_vendors_name_and_value(call, provider, identity, given, made):
    asked = call(**given)
    body = orjson.loads(next(provider(identity).execute(asked)).body)
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == made
    assert asked.dropped == []


@pytest.mark.parametrize(
    ("identity", "given", "dropped"),
    [
        ("mistral.api.v1", {"logprobs": True, "top_k": 4, "user": "u", "n": 2}, ["logprobs", "top_k"]),
        ("groq.api.v1", {"logit_bias": {"1": 2}, "logprobs": False, "thinking": None}, ["logit_bias"]),
        ("cerebras.api.v1", {"presence_penalty": 1, "frequency_penalty": 0, "n": 1}, ["presence_penalty"]),
        ("moonshot.api.v1", {"tools": [TOOL], "tool_choice": "required"}, ["tool_choice"]),
        ("deepseek.api.v1", {"response_format": SCHEMA}, ["response_format.json_schema"]),
        ("perplexity.search.v1", {"tools": [TOOL], "seed": 1}, ["seed", "tools"]),
    ],
)
def test_what_a_vendor_lacks_is_left_out_and_told(call, provider, identity, given, dropped):
    asked = call(**given)
    body = orjson.loads(next(provider(identity).execute(asked)).body)
    assert asked.dropped == dropped and not body.keys() & set(dropped)
    with pytest.raises(ProviderError) as raised:
        next(provider(identity).execute(call(**given, unsupported="error")))
    assert raised.value.failure.kind is FailureKind.INVALID_REQUEST


def test_models_of_xai_that_reason_are_spared_what_they_refuse(call, provider):
    asked = call(features=("reasoning",), stop=["x"], presence_penalty=1)
    body = orjson.loads(next(provider("xai.grok.v1").execute(asked)).body)
    assert "stop" not in body and asked.dropped == ["presence_penalty", "stop"]
    assert "stop" in orjson.loads(next(provider("xai.grok.v1").execute(call(stop=["x"]))).body)


def test_a_vendor_without_schemas_is_told_of_them(sent):
    body = sent("deepseek.api.v1", response_format=SCHEMA)
    told, user = body["messages"]
    assert body["response_format"] == {"type": "json_object"} and user["content"] == "Hi"
    assert told["role"] == "system" and '{"type":"object"}' in told["content"]


@pytest.mark.parametrize(
    ("identity", "part"),
    [
        (
            "mistral.api.v1",
            {"type": "document_url", "document_url": "data:application/pdf;base64,JVBE", "document_name": "a.pdf"},
        ),
        ("perplexity.search.v1", {"type": "file_url", "file_url": {"url": "JVBE"}, "file_name": "a.pdf"}),
        ("openrouter.gateway.v1", PDF),
    ],
)
def test_documents_are_parts_of_the_vendors_kind(sent, identity, part):
    body = sent(identity, messages=[{"role": "user", "content": [{"type": "text", "text": "Read"}, PDF]}])
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Read"}, part]


@pytest.mark.parametrize(
    ("identity", "url", "mark"),
    [
        ("mistral.api.v1", "https://api.mistral.ai/v1/chat/completions", {"prefix": True}),
        ("deepseek.api.v1", "https://api.deepseek.com/beta/chat/completions", {"prefix": True}),
        ("moonshot.api.v1", "https://api.moonshot.ai/v1/chat/completions", {"partial": True}),
        ("fireworks.api.v1", "https://api.fireworks.ai/inference/v1/chat/completions", {}),
    ],
)
def test_an_answer_is_continued_the_vendors_way(provider, call, identity, url, mark):
    request = next(provider(identity).execute(call(prefill="Once ")))
    assert request.url == url
    assert orjson.loads(request.body)["messages"][-1] == {"role": "assistant", "content": "Once ", **mark}


@pytest.mark.parametrize("identity", ALL)
def test_streams_are_asked_for_their_usage_where_that_is_allowed(sent, identity):
    body = sent(identity, stream=True)
    assert body["stream"] is True
    silent = identity in ("mistral.api.v1", "perplexity.search.v1")
    assert body.get("stream_options") == (None if silent else {"include_usage": True})


def test_blocks_of_openrouters_own_formats_go_back_to_it(sent):
    own = {"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1", "index": 0}
    other = {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-v1", "index": 1}
    message = {"role": "assistant", "content": "Hi", "reasoning_details": [own, other]}
    assert sent("openrouter.gateway.v1", messages=[message])["messages"][0]["reasoning_details"] == [own]


@pytest.mark.parametrize(
    ("base_url", "version", "url"),
    [
        ("https://x.openai.azure.com", "", "https://x.openai.azure.com/openai/v1/chat/completions"),
        ("https://x.openai.azure.com/openai/v1/", "", "https://x.openai.azure.com/openai/v1/chat/completions"),
        ("https://x.openai.azure.com/openai", "", "https://x.openai.azure.com/openai/v1/chat/completions"),
        (
            "https://x.openai.azure.com/",
            "2024-10-21",
            "https://x.openai.azure.com/openai/deployments/my%2Fgpt%3F/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://x.services.ai.azure.com/models",
            "2024-05-01-preview",
            "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
    ],
)
def test_azure_is_asked_by_deployment_or_by_its_newer_api(provider, call, base_url, version, url):
    request = next(provider("azure.openai.v1", base_url, api_version=version).execute(call(upstream="my/gpt?")))
    assert request.url == url and request.headers["api-key"] == "key-of-a-test"


@pytest.mark.parametrize(
    ("identity", "given", "path", "made"),
    [
        (
            "xai.grok.v1",
            {"prompt": "p", "image": b"\x89PNG"},
            "/images/generations",
            {"prompt": "p", "image": {"type": "image_url", "url": "data:image/png;base64,iVBORw=="}},
        ),
        (
            "openrouter.gateway.v1",
            {"prompt": "p", "image": [b"\x89PNG"]},
            "/images",
            {
                "prompt": "p",
                "input_references": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}],
            },
        ),
        (
            "together.api.v1",
            {"prompt": "p", "size": "512x256", "response_format": "b64_json"},
            "/images/generations",
            {"prompt": "p", "width": 512, "height": 256, "response_format": "base64"},
        ),
    ],
)
def test_pictures_are_asked_for_in_the_vendors_words(provider, call, identity, given, path, made):
    request = next(provider(identity).execute(call(Operation.IMAGES, **given)))
    path = "/images/edits" if identity.startswith("xai") else path
    assert request.url.endswith(path)
    assert orjson.loads(request.body) == {"model": "m", **made}
