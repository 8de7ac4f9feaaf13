"""The connector as the mesh sees it: settings, detection, the catalogue, the list of models."""

import json

import pytest
from modelmesh_aws import provider_connectors
from modelmesh_aws.options import BedrockOptions
from modelmesh_aws.provider import BedrockProvider
from modelmesh_core import (
    AuthenticationError,
    CapabilityTree,
    ModelMesh,
    ProviderError,
    ProviderSettings,
    Secret,
)
from modelmesh_core.testing import FakeUpstream, answers

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/key"}


def test_catalogue_is_in_order():
    (connector,) = provider_connectors()
    models = connector.models()
    assert len({model.id for model in models}) == len({model.upstream_model for model in models}) == len(models) > 40
    tree = CapabilityTree()
    for model in models:
        assert model.id.startswith("bedrock.") and model.capabilities and model.upstream_model
        assert all(tree.resolve(name) for name in model.capabilities)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "bedrock-runtime.eu-central-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("eusc-de-east-1", "bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_address_of_a_region(make_provider, make_call, region, host):
    assert next(make_provider(region=region).execute(make_call())).url.startswith(f"https://{host}/model/")


def test_region_is_found_where_none_is_named(make_provider, make_call):
    def scope(**settings):
        headers = next(make_provider(**{"region": None, **settings}).execute(make_call())).headers
        return headers["authorization"].split("/")[2]

    assert scope() == "us-east-1"
    assert scope(default_region="eu-north-1") == "eu-north-1"
    assert scope(region="eu-west-2", default_region="eu-north-1") == "eu-west-2"
    assert scope(base_url="https://bedrock-runtime.ap-south-1.amazonaws.com") == "ap-south-1"
    assert scope(base_url="https://vpce-1.bedrock-runtime.sa-east-1.vpce.amazonaws.com/") == "sa-east-1"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"options": BedrockOptions()}, "no credentials"),
        ({"options": BedrockOptions(access_key_id=Secret("a"))}, "secret_access_key is missing"),
        ({"options": BedrockOptions(secret_access_key=Secret("a"))}, "access_key_id is missing"),
        ({"api_key": Secret("a\nb")}, "no HTTP header"),
        ({"api_key": Secret("a"), "base_url": "bedrock"}, "absolute address"),
        ({"api_key": Secret("a"), "base_url": "https://u:p@h"}, "user or password"),
        ({"api_key": Secret("a"), "options": BedrockOptions(region="evil.example/")}, "region"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        BedrockProvider(ProviderSettings("bedrock", **settings))


def test_secret_access_key_is_no_bearer_token(make_call):
    """Detection names it as the key, too."""
    (connector,) = provider_connectors()
    options = BedrockOptions(Secret("AKIDEXAMPLE"), Secret("secret/key"), region="eu-west-1")
    made = connector.create(ProviderSettings("bedrock", Secret("secret/key"), options=options))
    assert next(made.execute(make_call())).headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
    made = connector.create(ProviderSettings("bedrock", Secret("bearer"), options=options))
    assert next(made.execute(make_call())).headers["authorization"] == "Bearer bearer"


def listing(*, token=None):
    models = [
        {
            "modelId": "amazon.nova-lite-v1:0",
            "inputModalities": ["TEXT", "IMAGE"],
            "responseStreamingSupported": True,
            "inferenceTypesSupported": ["ON_DEMAND"],
            "modelLifecycle": {"status": "ACTIVE"},
        },
        {
            "modelId": "anthropic.claude-x",
            "inputModalities": ["TEXT", "IMAGE"],
            "inferenceTypesSupported": ["INFERENCE_PROFILE"],
        },
        {"modelId": 5},
    ]
    profile = {
        "inferenceProfileId": "us.anthropic.claude-x",
        "status": "ACTIVE",
        "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-x"}],
    }
    page = {"inferenceProfileSummaries": [profile], **({"nextToken": token} if token else {})}
    return {"modelSummaries": models}, page


def test_models_are_listed(provider, play, answer):
    models, page = listing(token="a/b=")
    requests, found = play(provider.list_models(), answer(models), answer(page), answer({}))
    assert [request.url.partition(".com")[2] for request in requests] == [
        "/foundation-models",
        "/inference-profiles?maxResults=1000",
        "/inference-profiles?maxResults=1000&nextToken=a%2Fb%3D",
    ]
    assert requests[0].url.startswith("https://bedrock.eu-west-1.")
    assert "content-type" not in requests[0].headers
    assert [(model.id, sorted(model.features)) for model in found] == [
        ("bedrock.amazon.nova-lite-v1:0", ["vision"]),
        ("bedrock.us.anthropic.claude-x", ["vision"]),
    ]


def test_health_of_an_identity_that_may_not_list(provider, play, answer):
    denied = answer({"message": "not authorized"}, 403, x_amzn_errortype="AccessDeniedException")
    assert play(provider.check_health(), denied)[1] is None
    refused = answer({"message": "invalid token"}, 403, x_amzn_errortype="UnrecognizedClientException")
    with pytest.raises(AuthenticationError):
        play(provider.check_health(), refused)
    with pytest.raises(ProviderError):
        play(provider.check_health(), answer({}, 500))


ANSWER = {"output": {"message": {"content": [{"text": "Paris"}]}}, "stopReason": "end_turn"}
USAGE = {"inputTokens": 1_000_000, "outputTokens": 0, "totalTokens": 1_000_000}
ASKED = {"model": "bedrock.claude-haiku-4-5", "messages": [{"role": "user", "content": "Capital of France?"}]}


@pytest.fixture
def upstream():
    return FakeUpstream()


@pytest.fixture
def client(upstream):
    config = {"providers": {"bedrock": {"connector": "aws.bedrock.v1", "region": "eu-west-1", **KEYS_IN_CONFIG}}}
    mesh = ModelMesh(config, clock=upstream.clock, make_transport=upstream.make_transport)
    mesh.initialize()
    yield mesh.get_client()
    mesh.shutdown()


KEYS_IN_CONFIG = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret/key"}
URL = "https://bedrock-runtime.eu-west-1.amazonaws.com"


def test_whole_answer_through_the_mesh(upstream, client):
    body = json.dumps({**ANSWER, "usage": USAGE}).encode()
    upstream.script(URL, [answers.Answer(200, body, {"content-type": "application/json"})])
    got = client.chat.completions.create(**ASKED)
    assert (got.choices[0].message.content, got.choices[0].finish_reason) == ("Paris", "stop")
    (request,) = upstream.requests
    assert request.url == f"{URL}/model/global.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"


def test_stream_through_the_mesh(upstream, client, event):
    data = event("messageStart", {"role": "assistant"})
    for piece in ("Par", "is"):
        data += event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}})
    data += event("messageStop", {"stopReason": "end_turn"}) + event("metadata", {"usage": USAGE})
    pieces = [data[at : at + 50] for at in range(0, len(data), 50)]
    head = {"content-type": "application/vnd.amazon.eventstream"}
    upstream.script(URL, [answers.Answer(200, b"", head, chunks=pieces)])
    chunks = list(client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Paris"
    assert chunks[-1].usage.prompt_tokens == 1_000_000


@pytest.mark.parametrize(
    ("environ", "begins"),
    [
        (KEYS, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        ({**KEYS, "AWS_BEARER_TOKEN_BEDROCK": "abc"}, "Bearer abc"),
        ({"AWS_BEARER_TOKEN_BEDROCK": "abc"}, "Bearer abc"),
    ],
)
def test_account_is_found_in_the_environment(upstream, monkeypatch, environ, begins):
    for name in [*KEYS, "AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "MODELMESH_CONFIG"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environ, "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    upstream.script(URL, [answers.Answer(200, json.dumps(ANSWER).encode(), {"content-type": "application/json"})])
    with ModelMesh.from_env(clock=upstream.clock, make_transport=upstream.make_transport) as mesh:
        mesh.get_client().chat.completions.create(**ASKED)
    assert upstream.requests[0].headers["authorization"].startswith(begins)
