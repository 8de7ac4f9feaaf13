"""DeepL, after its API reference: nothing of it was recorded."""

import json

import pytest
from modelmesh_core import FailureKind, InvalidRequestError, Operation, ProviderError

TRANSLATE = Operation.TRANSLATION


@pytest.fixture
def provider(make):
    return make("deepl.translation.v1")


def translated(*texts, **more):
    return {"translations": [{"detected_source_language": "EN", "text": text, **more} for text in texts]}


def test_a_translation(provider, ask, play, answer):
    call = ask(TRANSLATE, "quality_optimized", input=["Hello", "World"], target_language="de", source_language="en-GB",
               formality="formal", context="a letter", colour="x")  # fmt: skip
    (request,), reply = play(provider.execute(call), answer(translated("Hallo", "Welt", billed_characters=9)))
    assert request.url == "https://api.deepl.com/v2/translate"
    assert request.headers["authorization"].startswith("DeepL-Auth-Key key-")
    assert json.loads(request.body) == {
        "text": ["Hello", "World"], "target_lang": "DE", "source_lang": "EN", "formality": "prefer_more",
        "model_type": "quality_optimized", "context": "a letter", "show_billed_characters": True,
    }  # fmt: skip
    assert reply.body["translations"] == [
        {"text": "Hallo", "detected_source_language": "en"}, {"text": "Welt", "detected_source_language": "en"},
    ]  # fmt: skip
    assert reply.usage.characters == 18 and call.dropped == ["colour"]


def test_a_free_key_goes_to_the_free_host(make, ask):
    for key, base_url, host in [
        ("k:fx", None, "https://api-free.deepl.com"),
        ("k", None, "https://api.deepl.com"),
        ("k:fx", "https://own.example/v2", "https://own.example"),
    ]:
        provider = make("deepl.translation.v1", key=key, base_url=base_url)
        assert next(provider.execute(ask(TRANSLATE, input="x", target_language="de"))).url == f"{host}/v2/translate"


@pytest.mark.parametrize(
    ("code", "sent"),
    [("en", "EN-US"), ("en-us", "EN-US"), ("en_GB", "EN-GB"), ("en-AU", "EN-GB"), ("pt", "PT-BR"), ("pt-PT", "PT-PT"),
     ("pt-AO", "PT-PT"), ("zh", "ZH"), ("zh-CN", "ZH-HANS"), ("zh-Hant-TW", "ZH-HANT"), ("zh-HK", "ZH-HANT"),
     ("no", "NB"), ("de-CH", "DE"), ("es-ES", "ES"), ("es-MX", "ES-419"), ("es-419", "ES-419"), ("iw", "HE")],
)  # fmt: skip
def test_codes_of_languages(provider, ask, code, sent):
    request = next(provider.execute(ask(TRANSLATE, input="x", target_language=code)))
    assert json.loads(request.body)["target_lang"] == sent


def test_variants_can_be_chosen(make, ask):
    provider = make("deepl.translation.v1", english="EN-GB", portuguese="PT-PT")
    for code, sent in (("en", "EN-GB"), ("pt", "PT-PT")):
        request = next(provider.execute(ask(TRANSLATE, input="x", target_language=code)))
        assert json.loads(request.body)["target_lang"] == sent


def test_many_texts_are_several_requests(provider, ask, play, answer):
    texts = [f"{number}" for number in range(60)] + ["ü" * 40_000, "x" * 40_000]
    flow = provider.execute(ask(TRANSLATE, input=texts, target_language="de"))
    requests, sent = [next(flow)], []
    while True:
        sent.append(json.loads(requests[-1].body)["text"])
        try:
            requests.append(flow.send(answer(translated(*sent[-1]))))
        except StopIteration as stop:
            reply = stop.value
            break
    assert [len(batch) for batch in sent] == [50, 11, 1] and [text for batch in sent for text in batch] == texts
    assert [row["text"] for row in reply.body["translations"]] == texts
    assert reply.usage.characters == sum(map(len, texts))


@pytest.mark.parametrize(
    "body",
    [{}, {"input": []}, {"input": ["x", 3]}, {"target_language": "German?"}, {"target_language": None},
     {"source_language": 3}],
)  # fmt: skip
def test_a_callers_mistakes(provider, ask, body):
    with pytest.raises(InvalidRequestError):
        next(provider.execute(ask(TRANSLATE, **{"input": "x", "target_language": "de", **body} if body else {})))


def test_formality_that_nobody_knows_is_dropped(provider, ask):
    call = ask(TRANSLATE, input="x", target_language="de", formality="rude")
    assert "formality" not in json.loads(next(provider.execute(call)).body) and call.dropped == ["formality"]


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Value for 'target_lang' not supported.", FailureKind.INVALID_REQUEST),
        (403, "", FailureKind.AUTHENTICATION),
        (413, "Request Entity Too Large", FailureKind.CONTEXT_LENGTH),
        (429, "Too many requests", FailureKind.RATE_LIMIT),
        (456, "Quota Exceeded", FailureKind.QUOTA),
        (456, "", FailureKind.QUOTA),
        (503, "Resource unavailable", FailureKind.SERVER),
        (529, "Too many requests", FailureKind.SERVER),
    ],
)
def test_errors(provider, ask, play, answer, status, message, kind):
    with pytest.raises(ProviderError, match=message or str(status)) as caught:
        body = {"message": message} if message else b""
        play(provider.execute(ask(TRANSLATE, input="x", target_language="de")), answer(body, status))
    assert (caught.value.failure.kind, caught.value.failure.status) == (kind, status)


def test_a_translation_that_is_missing_is_told(provider, ask, play, answer):
    with pytest.raises(ProviderError, match="a translation for each text") as caught:
        play(provider.execute(ask(TRANSLATE, input=["a", "b"], target_language="de")), answer(translated("A")))
    assert caught.value.failure.kind is FailureKind.UNDECODABLE


def test_its_health_is_the_usage(provider, play, answer):
    (request,), _ = play(provider.check_health(), answer({"character_count": 1, "character_limit": 2}))
    assert request.url.endswith("/v2/usage")
