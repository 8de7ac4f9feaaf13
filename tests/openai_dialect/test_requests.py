"""What goes to the server, and what base URLs, keys and headers make of it."""

import copy

import orjson
import pytest
from modelmesh_core import Operation, ProviderCall, ProviderError, ProviderSettings, Secret
from modelmesh_core.openai_dialect import OpenAICompatible


def made(call, **settings):
    provider = OpenAICompatible(ProviderSettings("acme", **{"base_url": "https://api.acme.example/v1", **settings}))
    return next(provider.execute(call))


def test_only_the_model_is_replaced_and_unknown_fields_pass_through(chat):
    call = chat(upstream_model="Acme/Large@v2", temperature=0.1, acme_speciality={"deep": [1, None]})
    before = copy.deepcopy(call.body)

    request = made(call)

    assert orjson.loads(request.body) == {**before, "model": "Acme/Large@v2"}
    assert call.body == before
    assert (request.method, request.url) == ("POST", "https://api.acme.example/v1/chat/completions")


def test_a_stream_is_asked_for_its_usage_and_keeps_the_callers_stream_options(chat):
    options = {"include_obfuscation": False}
    call = chat(stream=True, stream_options=options)

    request = made(call)

    body = orjson.loads(request.body)
    assert request.stream
    assert body["stream"] is True
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert options == {"include_obfuscation": False}
    assert "stream" not in call.body


def test_a_whole_answer_is_asked_for_whole_even_if_the_body_still_says_stream(chat):
    body = {"model": "x", "messages": [], "stream": True, "stream_options": {"include_usage": True}}

    request = made(ProviderCall(Operation.CHAT, "m", body))

    assert orjson.loads(request.body) == {"model": "m", "messages": []}
    assert not request.stream


def test_embeddings_go_to_their_own_path():
    request = made(ProviderCall(Operation.EMBEDDINGS, "embed-1", {"model": "text-embeddings", "input": ["a"]}))

    assert request.url == "https://api.acme.example/v1/embeddings"
    assert orjson.loads(request.body) == {"model": "embed-1", "input": ["a"]}


def test_an_operation_outside_the_dialect_is_refused(chat):
    with pytest.raises(ProviderError, match="cannot do search"):
        made(ProviderCall(Operation.SEARCH, "m", {}))


def test_what_json_cannot_hold_is_the_callers_fault(chat):
    with pytest.raises(ProviderError, match="cannot be written as JSON") as raised:
        made(chat(metadata={"when": object()}))
    assert raised.value.failure.kind == "invalid-request"


def test_authorization_is_sent_only_with_a_key(chat):
    assert made(chat(), api_key=Secret("sk-1")).headers["authorization"] == "Bearer sk-1"
    assert "authorization" not in made(chat()).headers
    assert "authorization" not in made(chat(), api_key=Secret("")).headers


def test_a_line_break_at_the_end_of_a_key_is_not_sent(chat):
    assert made(chat(), api_key=Secret("sk-1\n")).headers["authorization"] == "Bearer sk-1"


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown():
    with pytest.raises(ValueError, match=r"providers\.acme\.api_key") as raised:
        OpenAICompatible(ProviderSettings("acme", Secret("sk-ü"), "https://api.acme.example/v1"))
    assert "sk-" not in str(raised.value)


def test_own_headers_override_and_may_be_secret(chat):
    headers = {"Authorization": Secret("Basic abc"), "X-Team": "blue"}
    request = made(chat(), api_key=Secret("sk-1"), headers=headers)

    assert request.headers["authorization"] == "Basic abc"
    assert request.headers["x-team"] == "blue"
    assert "abc" not in repr(request)


@pytest.mark.parametrize(
    "base_url", ["https://api.acme.example/v1", "https://api.acme.example/v1/", " https://api.acme.example/v1 "]
)
def test_the_base_url_may_end_in_a_slash(chat, base_url):
    assert made(chat(), base_url=base_url).url == "https://api.acme.example/v1/chat/completions"


@pytest.mark.parametrize(
    "base_url",
    [
        None,
        "",
        "api.acme.example/v1",
        "/v1",
        "ftp://acme.example",
        "http://",
        "https://acme.example/v1?x=1",
        "https://acme.example:port/v1",
        "http://[::1/v1",
    ],
)
def test_a_base_url_that_is_not_absolute_is_refused_by_its_place_in_the_configuration(base_url):
    with pytest.raises(ValueError, match=r"providers\.acme\.base_url.*(absolute|missing)"):
        OpenAICompatible(ProviderSettings("acme", base_url=base_url))


def test_a_password_in_the_base_url_is_refused_without_being_shown():
    with pytest.raises(ValueError, match="must not hold a user or password") as raised:
        OpenAICompatible(ProviderSettings("acme", base_url="https://me:hunter2@acme.example/v1"))
    assert "hunter2" not in str(raised.value)


def test_models_are_listed_with_their_context_where_the_server_tells(provider, play, answer):
    listing = {"object": "list", "data": [{"id": "llama3.2:latest"}, {"id": "big", "max_model_len": 32768}, {"no": 1}]}

    requests, models = play(provider.list_models(), answer(listing))

    assert (requests[0].method, requests[0].url) == ("GET", "https://api.acme.example/v1/models")
    assert requests[0].headers == {"authorization": "Bearer sk-test"}
    assert [(m.id, m.upstream_model, m.constraints.context_window) for m in models] == [
        ("acme.llama3.2:latest", "llama3.2:latest", None),
        ("acme.big", "big", 32768),
    ]


def test_health_is_the_free_listing_and_fails_with_the_accounts_own_error(provider, play, answer):
    requests, result = play(provider.check_health(), answer({"data": []}))
    assert (requests[0].url, result) == ("https://api.acme.example/v1/models", None)

    with pytest.raises(ProviderError) as raised:
        play(provider.check_health(), answer({"error": {"message": "bad key"}}, 401))
    assert raised.value.failure.kind == "authentication"
