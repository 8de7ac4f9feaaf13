"""What goes wrong behind the gateway: the right status, what to do next, and nothing that is the operator's to know."""

import logging

import pytest
from meshes import config
from modelmesh_core import ConnectorRegistry, Failure, FailureKind, Secret, SecretStore, SecretStoreConnector, hookimpl
from modelmesh_core.testing import answers

CHAT = "/v1/chat/completions"
BASE = "https://a.test/v1"
KEY = "upstream-key-0123-WXYZ"


@pytest.fixture
def ask(client, upstream, chat_body):
    """Asks a gateway whose only provider answers so; its answer."""

    def ask(*script, base=BASE, **more):
        upstream.script(base, list(script))
        settings = config("a.one", pool={"retry": {"max_attempts": 1}})
        settings["providers"]["a"].update(api_key=KEY, base_url=base)
        return client(settings).post(CHAT, json=chat_body(**more))

    return ask


def test_the_providers_own_words_come_back_where_the_request_is_at_fault(ask):
    answer = ask(answers.error(422, "temperature must be below 2", code="bad_value", type="invalid_request_error"))
    assert answer.status_code == 422
    assert answer.json() == {
        "error": {
            "message": "temperature must be below 2",
            "type": "invalid_request_error",
            "param": None,
            "code": "bad_value",
        }
    }
    assert answer.headers["x-modelmesh-model"] == "a.one"
    assert answer.headers.get("x-modelmesh-attempts") != "0"


def test_a_number_that_no_standard_knows_comes_back_too(ask):
    answer = ask(answers.error(499, "the client is closed", type="invalid_request_error"))
    assert (answer.status_code, answer.reason_phrase) == (499, "")


def test_a_rate_limit_says_when_to_come_back(ask):
    answer = ask(answers.error(429, "slow down", retry_after="12.2"))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "13"
    assert 12_000 < int(answer.headers["retry-after-ms"]) <= 12_200


def test_after_every_fallback_failed_the_sdk_need_not_retry(ask):
    answer = ask(answers.error(500, "broken"))
    assert answer.status_code == 503
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-modelmesh-attempts"] == "1"
    assert answer.headers["x-modelmesh-model"] == "a.one"
    error = answer.json()["error"]
    assert error["code"] == "all_providers_exhausted"
    assert "a.one at a: broken" in error["message"]


def test_a_silent_provider_is_a_gateway_timeout(ask):
    assert ask(answers.hang()).status_code == 504


def test_errors_before_the_first_content_of_a_stream_are_ordinary_errors(ask):
    answer = ask(answers.error(500, "broken"), stream=True)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"


LEAKS = {
    "a refused key": answers.error(401, f"Incorrect API key provided: {KEY[:4]}****{KEY[-4:]}", type="auth"),
    "a key that is echoed": answers.error(400, f"cannot parse header Bearer {KEY}", type="invalid_request_error"),
    "a key in a server error": answers.error(500, f"panic with key={KEY}"),
    "somebody else's key in a server error": answers.error(500, "panic with key=sk-proj-0123-WXYZ"),
    "an address in a server error": answers.error(502, "no route to http://vllm.internal:8000/v1 (10.1.2.3:8000)"),
    "an unreachable address": answers.Answer(
        failure=Failure(FailureKind.CONNECTION, "cannot connect to vllm.internal:8000: refused")
    ),
    "a page of a proxy": answers.Answer(200, b"<html>nginx at 10.1.2.3 for vllm.internal:8000</html>"),
    "a stream that reports its route": answers.stream(
        "Hello", finish=False, done=False, failure=Failure(FailureKind.STREAM_CUT, "vllm.internal:8000 hung up on us")
    ),
}


@pytest.mark.parametrize("case", LEAKS)
def test_no_answer_holds_keys_or_internal_addresses(ask, case):
    answer = ask(LEAKS[case], base="http://vllm.internal:8000/v1", stream="stream" in case)
    said = answer.text + str(answer.headers)
    assert "error" in answer.text
    for secret in (KEY[:12], KEY[-4:], "vllm", "10.1.2.3", "Traceback"):
        assert secret not in said


def test_public_addresses_stay_readable(ask):
    answer = ask(answers.error(400, "see https://platform.openai.com/docs/errors", type="invalid_request_error"))
    assert "https://platform.openai.com/docs/errors" in answer.text


def test_what_nobody_foresaw_is_logged_and_not_told(client, chat_body, caplog):
    class Broken:
        @hookimpl
        def select_model(self, context, candidates):
            raise ZeroDivisionError("the password is hunter2")

    registry = ConnectorRegistry()
    registry.register(Broken, id="acme.broken.v1")
    http = client(config("a.one", pool={"strategy": "acme.broken.v1"}), registry=registry)
    with caplog.at_level(logging.ERROR, logger="modelmesh.gateway"):
        answer = http.post(CHAT, json=chat_body(), headers={"x-request-id": "lost-1"})
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "internal error, see the log under request id lost-1"
    assert answer.json()["error"]["type"] == "server_error"
    assert "lost-1" in caplog.text
    assert "hunter2" in caplog.text


def test_a_key_that_changed_while_the_gateway_ran_is_not_told_either(client, upstream, chat_body):
    """The text comes from another provider, which knows nothing of that key and cannot leave it out."""
    kept = {"KEY": "first-word-of-the-day"}

    class Store(SecretStore):
        async def get(self, name):
            return Secret(kept[name])

    def changed(request):
        if request.headers["authorization"] == "Bearer second-word-of-the-day":
            return answers.chat()
        return answers.error(401, "Incorrect API key provided")

    registry = ConnectorRegistry()
    registry.register(SecretStoreConnector("acme.changing.v1", lambda options: Store()))
    settings = config("a.one", "b.two", pool={"retry": {"max_attempts": 1}})
    settings["providers"]["a"]["api_key"] = "${secrets:KEY}"
    settings["secrets"] = {"store": "acme.changing.v1"}
    upstream.script(BASE, changed)
    upstream.script("https://b.test/v1", [answers.error(422, "what is second-word-of-the-day?")])
    gateway = client(settings, registry=registry)
    kept["KEY"] = "second-word-of-the-day"
    assert gateway.post(CHAT, json=chat_body(model="a.one")).status_code == 200
    answer = gateway.post(CHAT, json=chat_body(model="b.two"))
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == "what is [hidden]?"


def test_a_key_of_the_gateway_itself_is_not_told(ask):
    token = "mm-0123456789abcdef-" + "x" * 43
    answer = ask(answers.error(422, f"{token} or {token[:30]}, on mm-dd-yyyy"))
    assert answer.json()["error"]["message"] == "[hidden] or mm-0123456789abcdef-xxxxxxxxxx, on mm-dd-yyyy"
