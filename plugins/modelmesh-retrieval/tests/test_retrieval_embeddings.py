"""Voyage and Jina: embeddings and reranking."""

import pytest
from modelmesh_core import FailureKind, Operation, ProviderError

VOYAGE, JINA = "voyage.embeddings.v1", "jina.search.v1"
EMBED, RERANK = Operation.EMBEDDINGS, Operation.RERANK
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def test_recorded_embeddings_of_voyage(ask, answer, recordings):
    found = [r for r in recordings("voyage") if r["kind"] == "embeddings" and r["response"]["status"] in (200, None)]
    assert len(found) == 5
    for recording in found:
        said, own = recording["response"]["body"], recording["request"]["body"]
        given = {key: own[key] for key in ("input_type", "encoding_format", "truncation") if own.get(key) is not None}
        asked = ask(VOYAGE, EMBED, answer(said), model=said["model"], input=own.get("input", ["a"]), **given)
        assert asked.reply.body == said
        assert asked.reply.usage.input == said["usage"]["total_tokens"]
        if own:
            assert asked.requests[0].url == recording["request"]["url"]
            assert asked.sent == {key: value for key, value in own.items() if value is not None}


def test_recorded_rankings_of_voyage(ask, answer, recordings):
    found = [r for r in recordings("voyage") if r["kind"] == "rerank"]
    assert len(found) == 3
    for recording in found:
        said, own = recording["response"]["body"], recording["request"]["body"]
        given = {"top_n": own["top_k"], "truncation": own["truncation"]} if own else {}
        asked = ask(
            VOYAGE, RERANK, answer(said), model=said["model"], query=own.get("query", "q"),
            documents=own.get("documents", ["a", "b"]), **given,
        )  # fmt: skip
        assert [(r["index"], r["relevance_score"]) for r in asked.reply.body["results"]] == [
            (r["index"], r["relevance_score"]) for r in said["data"]
        ]
        assert asked.reply.usage.input == said["usage"]["total_tokens"]
        if own:
            assert (asked.requests[0].url, asked.sent) == (recording["request"]["url"], own)


def test_the_recorded_error_of_voyage(ask, answer, recordings):
    (recording,) = [r for r in recordings("voyage") if r["response"]["status"] == 400]
    with pytest.raises(ProviderError) as caught:
        ask(VOYAGE, EMBED, answer(recording["response"]["body"], 400), input="a")
    failure = caught.value.failure
    assert failure.kind is FailureKind.MODEL_NOT_FOUND
    assert failure.message == recording["response"]["body"]["detail"]


def test_what_voyage_is_asked(ask):
    asked = ask(VOYAGE, EMBED, input="a", dimensions=256, encoding_format="float", input_type="query", user="u", x=1)
    assert asked.sent == {"model": "m", "input": "a", "output_dimension": 256, "input_type": "query"}
    assert asked.call.dropped == ["x"]
    asked = ask(VOYAGE, EMBED, input=["a", [{"type": "text", "text": "b"}, PICTURE]], encoding_format="base64")
    assert asked.requests[0].url == "https://api.voyageai.com/v1/multimodalembeddings"
    url = PICTURE["image_url"]["url"]
    both = [{"type": "text", "text": "b"}, {"type": "image_base64", "image_base64": url}]
    contents = [{"content": [{"type": "text", "text": "a"}]}, {"content": both}]
    assert asked.sent == {"model": "m", "inputs": contents, "output_encoding": "base64"}
    linked = {"type": "image_url", "image_url": "https://a/b.png"}
    asked = ask(VOYAGE, EMBED, input=linked, model="voyage-multimodal-3.5")
    assert asked.sent["inputs"] == [{"content": [linked]}]


def test_what_jina_is_asked(ask, answer):
    asked = ask(
        JINA, EMBED, input=["a"], dimensions=64, encoding_format="base64", input_type="document", late_chunking=True
    )
    assert asked.requests[0].url == "https://api.jina.ai/v1/embeddings"
    assert asked.requests[0].headers["authorization"] == "Bearer key-secret"
    assert asked.sent == {
        "model": "m", "input": ["a"], "dimensions": 64, "embedding_type": "base64", "task": "retrieval.passage",
        "late_chunking": True,
    }  # fmt: skip
    asked = ask(JINA, EMBED, input=["a", PICTURE], input_type="text-matching")
    assert asked.sent["input"] == [{"text": "a"}, {"image": PICTURE["image_url"]["url"]}]
    assert asked.sent["task"] == "text-matching"
    ranked = {
        "results": [{"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}],
        "usage": {"total_tokens": 9},
    }
    asked = ask(JINA, RERANK, answer(ranked), query="q", documents=["a", "b"], top_n=1, return_documents=True)
    assert asked.sent == {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1, "return_documents": True}
    assert asked.reply.body["results"] == ranked["results"]
    assert asked.reply.usage.input == 9


@pytest.mark.parametrize("vendor", [VOYAGE, JINA])
@pytest.mark.parametrize("given", ["", [], [{"type": "input_audio"}]])
def test_inputs_that_cannot_be_embedded(ask, vendor, given):
    with pytest.raises(ProviderError) as caught:
        ask(vendor, EMBED, input=given)
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (400, "Request to model 'voyage-3' failed. The max allowed tokens per submitted batch is 120000. Your batch has"
         " 130000 tokens after truncation, too many tokens.", FailureKind.CONTEXT_LENGTH),
        (400, "Argument 'input_type' is not valid", FailureKind.INVALID_REQUEST),
        (401, "Provided API key is invalid.", FailureKind.AUTHENTICATION),
        (429, "You have not yet added your payment method", FailureKind.RATE_LIMIT),
        (503, "overloaded", FailureKind.SERVER),
    ],
)  # fmt: skip
def test_errors_of_voyage(ask, answer, status, detail, kind):
    with pytest.raises(ProviderError) as caught:
        ask(VOYAGE, EMBED, answer({"detail": detail}, status), input="a")
    assert (caught.value.failure.kind, caught.value.failure.message) == (kind, detail)
