"""Whatever a vendor answers, and whatever a key is: nothing but ProviderErrors, and no secret in them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelmesh_core import Headers as ResponseHeaders
from modelmesh_core import HttpResponse, Operation, ProviderCall, ProviderError, ProviderSettings, Reply, Secret
from modelmesh_images import provider_connectors

KEY = "key-that-nobody-may-see"
CONNECTORS = {connector.id: connector for connector in provider_connectors()}
NAMES = [
    "status",
    "id",
    "request_id",
    "status_url",
    "response_url",
    "image",
    "images",
    "url",
    "result",
    "finish_reason",
    "output",
    "metrics",
    "error",
    "detail",
    "has_nsfw_concepts",
    "text",
    "chunks",
    "timestamp",
    "languages",
    "input",
    "input_token_count",
    "msg",
    "type",
    "loc",
    "errors",
    "name",
]
WORDS = ["COMPLETED", "IN_QUEUE", "succeeded", "failed", "starting", "SUCCESS", "https://a/x", "data:,"]
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
BODIES = {
    Operation.IMAGES: {"prompt": "x"},
    Operation.TRANSCRIPTION: {"file": b"x"},
    Operation.CHAT: {"messages": [{"role": "user", "content": "x"}]},
}
json_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
)


def dumped(value):
    import json

    return json.dumps(value).encode()


def provider_of(connector):
    options = CONNECTORS[connector].options
    return CONNECTORS[connector].create(ProviderSettings("acme", Secret(KEY), options=options and options()))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_answer_is_a_reply_or_a_provider_error(connector, data):
    provider = provider_of(connector)
    operation = data.draw(st.sampled_from(sorted(provider.operations)))
    body = {**BODIES[operation], "response_format": data.draw(st.sampled_from(["b64_json", "verbose_json", "text"]))}
    flow = provider.execute(ProviderCall(operation, "m", body))
    try:
        next(flow)
        for _ in range(20):
            content = data.draw(json_values.map(dumped) | st.binary(max_size=40))
            status = data.draw(st.sampled_from([200, 200, 200, 201, 204, 302, 400, 429, 500]))
            kind = data.draw(st.sampled_from(["application/json", "audio/mpeg", ""]))
            flow.send(HttpResponse(status, ResponseHeaders([("content-type", kind)]), content))
    except StopIteration as stop:
        assert isinstance(stop.value, Reply)
    except ProviderError:
        pass


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_a_quoted_key_is_hidden(connector, answer):
    provider = provider_of(connector)
    operation = sorted(provider.operations)[0]
    flow = provider.execute(ProviderCall(operation, "m", BODIES[operation]))
    next(flow)
    with pytest.raises(ProviderError) as caught:
        flow.send(answer({"error": f"wrong key {KEY}", "more": KEY}, 401))
    assert KEY not in f"{caught.value!r} {caught.value} {caught.value.failure!r}" and "***" in str(caught.value)


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
@pytest.mark.parametrize("url", ["ftp://x", "nowhere", "https://u:p@x.example", "https://x.example?a=1", "http://[::1"])
def test_base_urls_that_cannot_work(connector, url):
    with pytest.raises(ValueError, match="base_url"):
        CONNECTORS[connector].create(ProviderSettings("acme", Secret(KEY), base_url=url))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_operations_that_it_lacks(connector):
    with pytest.raises(ProviderError, match="cannot do rerank"):
        next(provider_of(connector).execute(ProviderCall(Operation.RERANK, "m", {})))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_the_catalogue(connector):
    models = CONNECTORS[connector].models()
    assert models
    for model in models:
        assert model.id.startswith((CONNECTORS[connector].default_name or connector.partition(".")[0]) + ".")
        assert model.source and model.as_of and (model.delivery.streaming == ("chat-completion" in model.capabilities))
