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
from modelmesh_core import Operation, ProviderCall, ProviderError
from modelmesh_speech import provider_connectors

CONNECTORS = {connector.id: connector for connector in provider_connectors()}
NAMES = [
    "text",
    "words",
    "utterances",
    "sentences",
    "status",
    "id",
    "upload_url",
    "results",
    "channels",
    "alternatives",
    "metadata",
    "duration",
    "start",
    "end",
    "speaker",
    "detail",
    "error",
    "message",
    "loc",
    "type",
    "voices",
    "name",
]
WORDS = ["completed", "queued", "error", "word", "spacing"]
BODIES = {
    Operation.SPEECH: {"input": "Hi", "voice": "nova2"},
    Operation.TRANSCRIPTION: {"file": b"x"},
}
NEEDED = {"azure.tts.v1": {"region": "westeurope"}}
CONTENTS = bodies(NAMES, WORDS)


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_answer_is_a_reply_or_a_provider_error(make, connector, data):
    provider = make(connector, **NEEDED.get(connector, {}))
    operation = data.draw(st.sampled_from(sorted(provider.operations)))
    form = data.draw(st.sampled_from(["json", "verbose_json", "diarized_json", "srt", "text"]))
    more = {} if operation is Operation.SPEECH else {"response_format": form}
    flow = provider.execute(ProviderCall(operation, "m", {**BODIES[operation], **more}))
    answer_anything(flow, data, CONTENTS)


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_a_quoted_key_is_hidden(make, connector):
    provider = make(connector, **NEEDED.get(connector, {}))
    operation = sorted(provider.operations)[0]
    check_that_a_quoted_key_is_hidden(provider.execute(ProviderCall(operation, "m", BODIES[operation])))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
@pytest.mark.parametrize("url", BAD_URLS)
def test_base_urls_that_cannot_work(make, connector, url):
    with pytest.raises(ValueError, match="base_url"):
        make(connector, base_url=url, **NEEDED.get(connector, {}))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_operations_that_it_lacks(make, connector):
    check_that_it_cannot_rank(make(connector, **NEEDED.get(connector, {})))


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_the_catalogue(connector):
    models = CONNECTORS[connector].models()
    assert models
    for model in models:
        assert model.id.startswith((CONNECTORS[connector].default_name or connector.partition(".")[0]) + ".")
        assert model.pricing.is_known and model.source and model.as_of and not model.delivery.streaming


@pytest.mark.parametrize("file", [None, b"", "data:audio/wav;base64,%%%", "/etc/passwd", 7])
def test_files_that_are_none(make, file, hear):
    with pytest.raises(ProviderError, match="file"):
        next(make("deepgram.speech.v1").execute(hear(file=file)))
