"""From a name to pools, and through the filters to candidates."""

import pytest
from meshes import ask, chat_models, config, providers
from modelmesh_core import CapabilityNotFoundError, NoActiveModelError
from modelmesh_core.testing import FakeUpstream, answers


def two_kinds():
    return {
        "providers": providers("a", "b"),
        "models": {
            "a.chat": {"provider": "a", "capabilities": ["chat-completion"]},
            "a.code": {"provider": "a", "capabilities": ["code-generation"]},
            "b.vectors": {"provider": "b", "capabilities": ["text-embeddings"]},
        },
    }


@pytest.fixture
def mesh(make_mesh, upstream: FakeUpstream):
    upstream.script("https://a.test/v1", [answers.chat("a")])
    upstream.script("https://b.test/v1", [answers.embeddings([1.0, 0.0])])
    return make_mesh(two_kinds())


def test_predefined_pools_are_there_when_a_model_fits(mesh):
    assert [pool.id for pool in mesh.get_router().list_pools()] == ["text-generation", "embeddings"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("text-generation", "a.chat"),
        ("chat-completion", "a.chat"),
        ("generation.text-generation.chat-completion", "a.chat"),
        ("code-generation", "a.code"),
        ("generation", "a.chat"),
        ("a.code", "a.code"),
        ("a/code", "a.code"),
        ("code", "a.code"),
    ],
)
def test_pools_capabilities_aliases_and_pinned_models_resolve(mesh, name, model):
    assert ask(mesh, name).modelmesh.model == model


def test_a_capability_reached_through_an_ancestors_pool_keeps_to_models_that_have_it(make_mesh):
    settings = two_kinds()
    settings["pools"] = {"everything": {"models": ["a.chat"]}, "generation": {}}
    mesh = make_mesh(settings)
    assert mesh.explain("code-generation").decision.candidates == ("a.code",)


def test_resolution_prefers_the_own_node_then_ancestors_then_descendants(make_mesh):
    settings = {"providers": providers("a"), "models": chat_models("a.one")}
    settings["pools"] = {
        "wide": {"capability": "generation"},
        "exact": {"capability": "text-generation"},
        "narrow": {"capability": "chat-completion"},
        "urgent": {"capability": "text-generation", "priority": 5},
    }
    mesh = make_mesh(settings)
    assert mesh.explain("generation.text-generation").pools == ("urgent", "exact", "text-generation", "wide", "narrow")


def test_embeddings_go_to_embedding_models(mesh):
    reply = mesh.get_client().embeddings.create(model="text-embeddings", input=["x"])
    assert reply.data[0].embedding == [1.0, 0.0]
    with pytest.raises(NoActiveModelError, match="is not a model for chat") as caught:
        ask(mesh, "embeddings")
    assert caught.value.status_code == 400


def test_an_unknown_name_suggests_the_nearest(mesh):
    with pytest.raises(CapabilityNotFoundError, match="chat-completion"):
        ask(mesh, "chat-compleetion")


def test_a_capability_that_no_model_has_says_so(mesh):
    with pytest.raises(CapabilityNotFoundError, match="text-to-speech"):
        ask(mesh, "text-to-speech")


def test_pinned_models_can_be_switched_off(make_mesh):
    mesh = make_mesh({**two_kinds(), "allow_pinned_models": False})
    with pytest.raises(CapabilityNotFoundError, match="switched off"):
        ask(mesh, "a.chat")


def test_a_pinned_model_is_retried_but_never_replaced(make_mesh, upstream):
    from modelmesh_core import AllProvidersExhaustedError

    upstream.script("https://a.test/v1", [answers.error(500)])
    upstream.script("https://b.test/v1", [answers.chat("b")])
    mesh = make_mesh(config("a.one", "b.two"))
    with pytest.raises(AllProvidersExhaustedError):
        ask(mesh, "a.one")
    assert len(upstream.requests_to("https://a.test/v1")) == 2
    assert upstream.requests_to("https://b.test/v1") == []


def test_an_exhausted_pool_passes_on_unless_the_caller_named_it(make_mesh, upstream):
    upstream.script("https://b.test/v1", [answers.chat("b")])
    settings = config("a.one", "b.two")
    settings["pools"] = {
        "first": {"capability": "chat-completion", "providers": ["a"], "priority": 1},
        "second": {"capability": "chat-completion", "providers": ["b"]},
    }
    mesh = make_mesh(settings)
    mesh.get_router().get_pool("first").deactivate("a.one")
    assert ask(mesh, "chat-completion").modelmesh.pool == "second"
    with pytest.raises(NoActiveModelError):
        ask(mesh, "first")


REQUIREMENTS = {
    "tools": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tool_calling"),
    "json schema": ({"response_format": {"type": "json_schema", "json_schema": {}}}, "structured_output"),
    "json mode": ({"response_format": {"type": "json_object"}}, "json_mode"),
    "logprobs": ({"logprobs": True}, "logprobs"),
}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_a_model_that_lacks_what_the_request_needs_is_left_out(name, make_mesh, upstream):
    parameters, feature = REQUIREMENTS[name]
    upstream.script("https://b.test/v1", [answers.chat("b")])
    settings = config("a.one", "b.two")
    settings["models"]["a.one"]["features"] = {feature: False}
    mesh = make_mesh(settings)
    reply = ask(mesh, **parameters)
    assert reply.modelmesh.model == "b.two"
    assert reply.modelmesh.drops[0].reason == f"lacks {feature}"


def test_images_and_context_and_output_length_are_requirements(make_mesh, upstream):
    settings = config("a.one", "b.two", "c.three", "d.four")
    settings["models"]["a.one"]["features"] = {"vision": False}
    settings["models"]["b.two"]["constraints"] = {"context_window": 100}
    settings["models"]["c.three"]["constraints"] = {"max_output_tokens": 10}
    upstream.script("https://d.test/v1", [answers.chat("d")])
    mesh = make_mesh(settings)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "word " * 200}, picture]}]
    reply = mesh.get_client().chat.completions.create(model="chat", messages=messages, max_tokens=50)
    assert reply.modelmesh.model == "d.four"
    reasons = {drop.model: drop.reason for drop in reply.modelmesh.drops}
    assert "vision" in reasons["a.one"]
    assert "context window" in reasons["b.two"]
    assert "at most 10 tokens" in reasons["c.three"]


def test_a_model_without_streaming_is_left_out_of_streams(make_mesh, upstream):
    upstream.script("https://b.test/v1", [answers.stream("b")])
    settings = config("a.one", "b.two")
    settings["models"]["a.one"]["delivery"] = {"streaming": False}
    stream = ask(make_mesh(settings), stream=True)
    assert stream.modelmesh.model == "b.two"
    list(stream)


def test_limits_of_a_model_are_never_passed(make_mesh, upstream):
    upstream.script("https://a.test/v1", [answers.chat("a")])
    upstream.script("https://b.test/v1", [answers.chat("b")])
    settings = config("a.one", "b.two")
    settings["models"]["a.one"]["limits"] = {"requests_per_minute": 3}
    mesh = make_mesh(settings)
    served = [ask(mesh).modelmesh.model for _ in range(5)]
    assert served == ["a.one"] * 3 + ["b.two"] * 2
    upstream.clock.advance(61)


def test_unknown_fields_pass_through_and_the_vendor_gets_its_own_model_name(make_mesh, upstream):
    import json

    upstream.script("https://a.test/v1", [answers.chat("a")])
    settings = {
        "providers": providers("a"),
        "models": {"a.gpt-4.1-mini.2025": {"provider": "a", "capabilities": ["chat-completion"]}},
    }
    ask(make_mesh(settings), "chat-completion", vendor_flag={"deep": [1, 2]}, temperature=0.5)
    sent = json.loads(upstream.requests[0].body)
    assert sent["model"] == "gpt-4.1-mini.2025"
    assert sent["vendor_flag"] == {"deep": [1, 2]}
    assert sent["temperature"] == 0.5
