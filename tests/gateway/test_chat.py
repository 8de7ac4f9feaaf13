"""Whole chat completions, embeddings and the listing, as a plain HTTP caller sees them."""

import orjson
import pytest
from meshes import config
from modelmesh_core.testing import answers

BASE = "https://a.test/v1"
PRICED = config("a.one")
PRICED["models"]["a.one"]["pricing"] = {"input": 1, "output": 2}


def test_the_providers_bytes_reach_the_caller_unchanged(client, upstream, chat_body):
    body = b'{ "id":"x",  "model":"upstream","choices":[{"index":0,"message":{"role":"assistant","content":"\xc3\xa9"}'
    body += b',"finish_reason":"stop"}],"unheard_of":[1.50]}'
    upstream.script(BASE, [answers.Answer(200, body, {"content-type": "application/json"})])
    answer = client().post("/v1/chat/completions", json=chat_body())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == body


def test_unknown_fields_of_the_request_reach_the_provider(client, upstream, chat_body):
    upstream.script(BASE, [answers.chat()])
    client().post("/v1/chat/completions", json=chat_body(seed=7, acme={"deep": [None]}))
    (sent,) = upstream.requests
    assert orjson.loads(sent.body) == chat_body(model="one", seed=7, acme={"deep": [None]})


def test_headers_tell_who_answered_at_what_cost(client, upstream, chat_body):
    upstream.script(BASE, [answers.error(500), answers.chat(tokens=(100, 50))])
    headers = client(PRICED).post("/v1/chat/completions", json=chat_body()).headers
    assert headers["x-modelmesh-model"] == "a.one"
    assert headers["x-modelmesh-provider"] == "a"
    assert headers["x-modelmesh-pool"] == "chat"
    assert headers["x-modelmesh-attempts"] == "2"
    assert float(headers["x-modelmesh-cost"]) == pytest.approx(0.0002)


def test_overhead_leaves_out_the_wait_for_the_provider(client, live, chat_body):
    def slowly(call):
        assert not call.wait_until_closed(0.3)
        call.answer()

    live.behaviour = slowly
    answer = client(live.config(), live=True).post("/v1/chat/completions", json=chat_body())
    assert answer.elapsed.total_seconds() > 0.3
    assert 0 < float(answer.headers["x-modelmesh-overhead-ms"]) < 200


def test_no_cost_is_told_where_no_price_is_known(client, upstream, chat_body):
    upstream.script(BASE, [answers.chat()])
    assert "x-modelmesh-cost" not in client().post("/v1/chat/completions", json=chat_body()).headers


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("trace-1.a_B", True), ("a" * 128, True), ("a" * 129, False), ("two words", False), ("a;b", False)],
)
def test_a_sane_request_id_is_kept(client, upstream, chat_body, sent, is_kept):
    upstream.script(BASE, [answers.chat()])
    answer = client().post("/v1/chat/completions", json=chat_body(), headers={"x-request-id": sent})
    told = answer.headers["x-request-id"]
    assert told == sent if is_kept else told.startswith("req_")


def test_the_timeout_header_narrows_the_deadline(client, upstream, chat_body):
    upstream.script(BASE, [answers.chat(seconds=3)])
    http = client()
    late = http.post("/v1/chat/completions", json=chat_body(), headers={"x-modelmesh-timeout": "1500ms"})
    assert late.status_code == 504
    in_time = http.post("/v1/chat/completions", json=chat_body(), headers={"x-modelmesh-timeout": "4"})
    assert in_time.status_code == 200


@pytest.mark.parametrize("header", ["x-modelmesh-session", "x-session-id"])
def test_a_session_stays_with_its_model(client, upstream, chat_body, header):
    models = ("a.one", "b.two", "c.three")
    for base in "abc":
        upstream.script(f"https://{base}.test/v1", [answers.chat()])
    http = client(config(*models, pool={"strategy": "modelmesh.session-stickiness.v1"}))

    def served_by(session):
        answer = http.post("/v1/chat/completions", json=chat_body(), headers={header: session})
        return answer.headers["x-modelmesh-model"]

    assert len({served_by("one session") for _ in range(5)}) == 1
    assert len({served_by(f"session {number}") for number in range(30)}) == 3


def test_embeddings(client, upstream):
    upstream.script(BASE, [answers.embeddings([0.5, 0.25])])
    settings = config("a.one", pool={"capability": "text-embeddings"})
    settings["models"]["a.one"]["capabilities"] = ["text-embeddings"]
    answer = client(settings).post("/v1/embeddings", json={"model": "chat", "input": ["x"]})
    assert answer.json()["data"][0]["embedding"] == [0.5, 0.25]
    assert answer.headers["x-modelmesh-model"] == "a.one"


def test_the_listing_holds_pools_and_models(client):
    answer = client().get("/v1/models").json()
    assert answer["object"] == "list"
    assert {"id": "chat", "object": "model", "created": 0, "owned_by": "modelmesh"} in answer["data"]
    assert {"id": "a.one", "object": "model", "created": 0, "owned_by": "a"} in answer["data"]


def test_the_listing_holds_only_what_can_be_asked_for(client):
    answer = client({**config("a.one"), "allow_pinned_models": False}).get("/v1/models").json()
    assert "a.one" not in {row["id"] for row in answer["data"]}


@pytest.mark.parametrize("name", ["a.one", "a/one", "a%2Fone", "one"])
def test_a_model_is_found_by_any_of_its_names(client, name):
    assert client().get(f"/v1/models/{name}").json()["id"] == "a.one"


def test_an_unknown_model_cannot_be_retrieved(client):
    answer = client().get("/v1/models/nobody")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_head_is_answered_without_a_body(client):
    answer = client().head("/v1/models")
    assert answer.status_code == 200
    assert answer.content == b""
