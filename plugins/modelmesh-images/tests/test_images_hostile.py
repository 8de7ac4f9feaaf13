"""Whatever a vendor answers, and whatever a key is: nothing but ProviderErrors, and no secret in them."""

import pytest
from hostile_vendor import (
    BAD_URLS,
    answer_anything,
    bodies,
    check_that_a_quoted_key_is_hidden,
    check_that_it_cannot_rank,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelmesh_core import Operation, ProviderCall
from modelmesh_images import provider_connectors

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
BODIES = {
    Operation.IMAGES: {"prompt": "x"},
    Operation.TRANSCRIPTION: {"file": b"x"},
    Operation.CHAT: {"messages": [{"role": "user", "content": "x"}]},
}
CONTENTS = bodies(NAMES, WORDS)


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_answer_is_a_reply_or_a_provider_error(make, connector, data):
    provider = make(connector)
    operation = data.draw(st.sampled_from(sorted(provider.operations)))
    form = data.draw(st.sampled_from(["b64_json", "verbose_json", "text"]))
    flow = provider.execute(ProviderCall(operation, "m", {**BODIES[operation], "response_format": form}))
    answer_anything(flow, data, CONTENTS)


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_a_quoted_key_is_hidden(make, connector):
    provider = make(connector)
    operation = sorted(provider.operations)[0]
    check_that_a_quoted_key_is_hidden(provider.execute(ProviderCall(operation, "m", BODIES[operation])))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
@pytest.mark.parametrize("url", BAD_URLS)
def test_base_urls_that_cannot_work(make, connector, url):
    with pytest.raises(ValueError, match="base_url"):
        make(connector, base_url=url)


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_operations_that_it_lacks(make, connector):
    check_that_it_cannot_rank(make(connector))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_the_catalogue(connector):
    models = CONNECTORS[connector].models()
    assert models
    for model in models:
        assert model.id.startswith((CONNECTORS[connector].default_name or connector.partition(".")[0]) + ".")
        assert model.source and model.as_of and (model.delivery.streaming == ("chat-completion" in model.capabilities))
