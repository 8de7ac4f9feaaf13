"""Names that nobody has listed go to the provider that takes them."""

import json

import pytest
from meshes import config
from modelmesh_core.routing import unlisted
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"


def passing(*names, **more):
    settings = config("a.one", "b.two", **more)
    for name in names:
        settings["providers"][name]["pass_unlisted_models"] = True
    return settings


def ask(http, model):
    return http.post("/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": "Hi"}]})


def asked(upstream):
    return [(request.url.partition(".")[0][8:], json.loads(request.body)["model"]) for request in upstream.requests]


@pytest.fixture(autouse=True)
def both_answer(upstream: FakeUpstream):
    upstream.script(A, [answers.chat()])
    upstream.script(B, [answers.chat()])


@pytest.mark.parametrize(
    ("model", "at"),
    [
        ("gpt-99", ("b", "gpt-99")),
        ("meta/llama-9:free", ("b", "meta/llama-9:free")),
        ("b/gpt-99", ("b", "gpt-99")),
        ("b.gpt-99", ("b", "gpt-99")),
        ("one", ("a", "one")),
        ("a.one", ("a", "one")),
        ("chat", ("a", "one")),
    ],
)
def test_a_name_that_means_nothing_else_is_passed_on(client, upstream, model, at):
    answer = ask(client(passing("b")), model)
    assert answer.status_code == 200
    assert asked(upstream) == [at]
    assert answer.headers["x-modelmesh-model"] == ".".join(at)


def test_of_several_providers_the_first_is_asked_or_the_one_that_is_named(client, upstream):
    http = client(passing("a", "b"))
    ask(http, "gpt-99")
    ask(http, "b/gpt-99")
    assert asked(upstream) == [("a", "gpt-99"), ("b", "gpt-99")]


def test_without_the_setting_an_unknown_name_is_unknown(client, upstream):
    assert ask(client(passing()), "gpt-99").status_code == 404
    assert upstream.requests == []


def test_where_models_cannot_be_pinned_nothing_is_passed_on(client, upstream):
    http = client(passing("b", allow_pinned_models=False))
    assert ask(http, "gpt-99").status_code == 404
    assert ask(http, "a.one").status_code == 404
    assert upstream.requests == []


def test_a_name_is_asked_for_anything(client, upstream):
    upstream.script(B, [answers.embeddings([0.5])])
    answer = client(passing("b")).post("/v1/embeddings", json={"model": "embed-9", "input": "x"})
    assert answer.json()["data"][0]["embedding"] == [0.5]


def test_what_happens_to_one_name_does_not_touch_another(client, upstream):
    unknown = answers.error(404, "The model `typo` does not exist", code="model_not_found")
    upstream.script(B, lambda request: unknown if b"typo" in request.body else answers.chat())
    http = client(passing("b"))
    assert "does not exist" in ask(http, "typo").json()["error"]["message"]
    assert ask(http, "gpt-99").status_code == 200
    ask(http, "typo")
    assert asked(upstream) == [("b", "typo"), ("b", "gpt-99")]  # it is known by now that there is none


def test_nobody_stands_in_for_an_unlisted_model(client, upstream):
    upstream.script(B, [answers.error(500)])
    http = client(passing("b"))
    assert ask(http, "gpt-99").status_code == 503
    assert {at for at, _ in asked(upstream)} == {"b"}


def test_the_names_can_be_looked_at_and_are_not_listed(client):
    http = client(passing("b"))
    ask(http, "gpt-99")
    row = http.get("/v1/models/gpt-99").json()
    assert (row["id"], row["owned_by"]) == ("b.gpt-99", "b")
    listed = {row["id"] for row in http.get("/v1/models").json()["data"]}
    assert listed >= {"chat", "a.one", "b.two"}
    assert not listed & {"b.gpt-99", "unlisted-models"}


def test_their_pool_cannot_be_asked_for(client, upstream):
    http = client(passing("b"))
    ask(http, "gpt-99")
    assert ask(http, "unlisted-models").status_code == 503
    assert len(upstream.requests) == 1


def test_names_do_not_grow_without_bounds(client, upstream, monkeypatch):
    monkeypatch.setattr(unlisted, "MAX_UNLISTED", 3)
    http = client(passing("b"))
    for number in range(5):
        ask(http, f"m-{number}")
    refused = ask(http, "m-9")
    assert refused.status_code == 404
    assert "unlisted" in refused.json()["error"]["message"]
    assert ask(http, "m-0").status_code == 200
    assert len(upstream.requests) == 4
