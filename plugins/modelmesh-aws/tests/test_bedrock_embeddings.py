"""Embeddings and reranking over InvokeModel."""

import base64
import json
from array import array

import pytest
from modelmesh_core import FailureKind, InvalidRequestError, Operation, ProviderError

TITAN, COHERE, NOVA = (
    "amazon.titan-embed-text-v2:0",
    "cohere.embed-english-v3",
    "amazon.nova-2-multimodal-embeddings-v1:0",
)
EMBED, RERANK = Operation.EMBEDDINGS, Operation.RERANK


def test_recorded_embeddings(recordings, provider, play, make_call):
    own = [one for one in recordings if one.kind == "embeddings"]
    assert len(own) == 5
    for one in own:
        asked, raw = one.request, json.loads(one.body)
        params = asked.get("singleEmbeddingParams", {})
        text = asked.get("inputText") or asked.get("texts") or params["text"]["value"]
        size = asked.get("dimensions") or asked.get("output_dimension") or params.get("embeddingDimension")
        body = {"input": text, "normalize": asked.get("normalize"), "input_type": asked.get("input_type")}
        body |= {"truncate": asked.get("truncate"), "dimensions": size}
        if params:
            body |= {"input_type": params["embeddingPurpose"], "truncate": params["text"]["truncationMode"]}
        call = make_call(model=one.model, operation=EMBED, **{key: value for key, value in body.items() if value})
        requests, reply = play(provider.execute(call), one.response)
        assert json.loads(requests[0].body) == asked, one.id
        assert call.dropped == []
        found = raw.get("embedding") or raw["embeddings"]
        found = found["float"] if isinstance(found, dict) else found
        found = found[0] if isinstance(found[0], list) else found
        found = found[0]["embedding"] if isinstance(found[0], dict) else found
        assert reply.body["data"] == [{"object": "embedding", "index": 0, "embedding": found}]
        assert reply.usage.input == int(one.headers["x-amzn-bedrock-input-token-count"]) == reply.usage.total


def test_titan_is_asked_once_a_text(provider, play, make_call, answer):
    answers = [answer({"embedding": [float(n)], "inputTextTokenCount": n + 1}) for n in range(3)]
    call = make_call(model=TITAN, operation=EMBED, input=["a", "b", "c"], dimensions=256)
    requests, reply = play(provider.execute(call), *answers)
    assert [json.loads(request.body) for request in requests] == [
        {"inputText": text, "dimensions": 256} for text in "abc"
    ]
    assert requests[0].url.endswith("/model/amazon.titan-embed-text-v2%3A0/invoke")
    assert [row["embedding"] for row in reply.body["data"]] == [[0.0], [1.0], [2.0]]
    assert reply.usage.input == 6 == reply.body["usage"]["prompt_tokens"]


def test_cohere_takes_many_texts(provider, play, make_call, answer):
    texts = [str(number) for number in range(100)]
    call = make_call(model=COHERE, operation=EMBED, input=texts, input_type="query")
    answers = [answer({"embeddings": [[1.0]] * count}, x_amzn_bedrock_input_token_count="3") for count in (96, 4)]
    requests, reply = play(provider.execute(call), *answers)
    assert [len(json.loads(request.body)["texts"]) for request in requests] == [96, 4]
    assert json.loads(requests[0].body)["input_type"] == "search_query"
    assert (len(reply.body["data"]), reply.usage.input) == (100, 6)


def test_base64_as_openai_packs_it(provider, play, make_call, answer):
    call = make_call(model=TITAN, operation=EMBED, input="a", encoding_format="base64")
    reply = play(provider.execute(call), answer({"embedding": [0.5, -1]}))[1]
    packed = array("f")
    packed.frombytes(base64.b64decode(reply.body["data"][0]["embedding"]))
    assert list(packed) == [0.5, -1.0]


def test_parameters_that_a_model_lacks(provider, make_call):
    call = make_call(model=COHERE, operation=EMBED, input="a", dimensions=64, normalize=True, user="u")
    next(provider.execute(call))
    assert sorted(call.dropped) == ["dimensions", "normalize"]


@pytest.mark.parametrize(("model", "given"), [(TITAN, [[1, 2]]), (TITAN, []), (TITAN, None), ("acme.embed", "a")])
def test_what_cannot_be_embedded_is_refused(provider, make_call, model, given):
    with pytest.raises(InvalidRequestError):
        next(provider.execute(make_call(model=model, operation=EMBED, input=given)))


@pytest.mark.parametrize(
    "body", [{}, {"embedding": "x"}, {"embeddings": [[1], [2]]}, {"embeddings": 5}, {"embedding": ["x"]}]
)
def test_embeddings_that_make_no_sense(provider, play, make_call, answer, body):
    call = make_call(model=TITAN, operation=EMBED, input="a", encoding_format="base64")
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(call), answer(body))
    assert caught.value.failure.kind is FailureKind.UNDECODABLE


def test_error_in_place_of_embeddings(provider, play, make_call, answer):
    call = make_call(model=TITAN, operation=EMBED, input="a")
    response = answer({"message": "Too many requests"}, 429, x_amzn_errortype="ThrottlingException")
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(call), response)
    assert caught.value.failure.kind is FailureKind.RATE_LIMIT


@pytest.mark.parametrize(("model", "extra"), [("cohere.rerank-v3-5:0", {"api_version": 2}), ("amazon.rerank-v1:0", {})])
def test_rerank(provider, play, make_call, answer, model, extra):
    body = {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 5, "return_documents": True}
    call = make_call(model=model, operation=RERANK, **body)
    found = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
    requests, reply = play(provider.execute(call), answer(found, x_amzn_bedrock_input_token_count="8"))
    assert json.loads(requests[0].body) == {"query": "q", "documents": ["a", "b"], "top_n": 2, **extra}
    assert reply.body["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
    ]
    assert (reply.usage.input, call.dropped) == (8, [])


def test_recorded_ranking(recordings, provider, play, make_call):
    """Of the Rerank API of another service, whose answers say the same in other letters."""
    (one,) = [one for one in recordings if one.kind == "rerank"]
    call = make_call(model="cohere.rerank-v3-5:0", operation=RERANK, query="q", documents=list("abcdef"))
    reply = play(provider.execute(call), one.response)[1]
    expected = [(row["index"], row["relevanceScore"]) for row in json.loads(one.body)["results"]]
    assert [(row["index"], row["relevance_score"]) for row in reply.body["results"]] == expected


@pytest.mark.parametrize(
    "body", [{}, [], {"results": [{"index": 9, "relevance_score": 1}]}, {"results": [{"index": 0}]}]
)
def test_ranking_that_makes_no_sense(provider, play, make_call, answer, body):
    call = make_call(model="amazon.rerank-v1:0", operation=RERANK, query="q", documents=["a"])
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(call), answer(body))
    assert caught.value.failure.kind is FailureKind.UNDECODABLE


def test_what_this_connector_does_not_do(provider, make_call):
    with pytest.raises(InvalidRequestError, match="speech"):
        next(provider.execute(make_call(operation=Operation.SPEECH)))
