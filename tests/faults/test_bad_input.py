"""What vendors should never send, in six dialects, whole and streamed: an error that says who and what, or the truth.

Each case is sent by a real server on loopback to a mesh with that vendor's connector. Nothing may hang, and no answer
may hold what the vendor did not say.
"""

import json
import resource
from collections.abc import Iterator
from time import monotonic

import pytest
from hostile import ByteServer
from modelmesh_core import FailureKind, ModelMesh, ModelMeshError
from vendors import BEDROCK, VENDORS, Vendor, message

PATIENCE = 20.0
"""Seconds within which every one of them is over."""
BROKEN = '{"city": "Ulm'
NO_TEXT = b"f\xff\xfee"
FLOOD = 300 * 1024**2
BEFORE_THE_END = {"openai": 2, "anthropic": 3, "gemini": 2, "bedrock": 2, "cohere": 3, "ollama": 2}
"""Events of a stream up to its text."""
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
K = FailureKind


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with ByteServer() as running:
        yield running


@pytest.fixture
def ask(server):
    """What a mesh over ``server`` says: text, calls, and the error that it ended with."""

    def ask(vendor: Vendor, stream: bool, answer, media_type: str = ""):
        server.answer, server.media_type = answer, media_type or (vendor.stream_type if stream else "application/json")
        request = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL]}
        began = monotonic()
        with ModelMesh(vendor.configuration(server.origin), environ={}) as mesh:
            got = said(mesh.get_client().chat.completions, request, stream)
        assert monotonic() - began < PATIENCE
        return got

    return ask


def said(completions, request, stream):
    text, calls = "", []
    try:
        if not stream:
            heard = completions.create(**request).choices[0].message
            return heard.content or "", [call.function.arguments for call in heard.tool_calls or []], None
        for chunk in completions.create(**request, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                calls += [call.function.arguments or "" for call in choice.delta.tool_calls or []]
    except ModelMeshError as error:
        return text, calls, error
    return text, ["".join(calls)] if calls else [], None


def both(function):
    """For every vendor, whole and streamed."""
    function = pytest.mark.parametrize("vendor", VENDORS.values(), ids=list(VENDORS))(function)
    return pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])(function)


def assert_names(error, *kinds):
    """That ``error`` is of one attempt at the vendor, of one of these kinds. Returns the kind."""
    assert error is not None, "an answer was made of it"
    assert "vendor.model at vendor" in str(error)
    (attempt,) = error.attempts
    assert attempt.failure.kind in kinds, (attempt.failure.kind, str(error))
    return attempt.failure.kind


def body_of(vendor: Vendor, stream: bool, text: str) -> bytes:
    return vendor.frame(vendor.saying(text)) if stream else json.dumps(vendor.said(text)).encode()


@both
def test_a_sound_answer_is_read(ask, vendor, stream):
    assert ask(vendor, stream, [body_of(vendor, stream, "fine")]) == ("fine", [], None)


@both
@pytest.mark.parametrize("body", [b"<html>Please log in.</html>", b"", b"\x00\xff\x1f\x8b" * 40, b"null", b"[]"])
def test_a_success_that_cannot_be_read(ask, vendor, stream, body):
    text, calls, error = ask(vendor, stream, [body])
    assert_names(error, K.UNDECODABLE, K.STREAM_CUT)
    assert (text, calls) == ("", [])


@both
def test_a_page_instead_of_an_answer_is_told_by_its_type_or_its_words(ask, vendor, stream):
    text, _, error = ask(vendor, stream, [b"<html>Please log in.</html>"], "text/html")
    assert_names(error, K.UNDECODABLE)
    assert "html" in str(error)
    assert text == ""


@both
def test_half_an_answer(ask, vendor, stream):
    body = body_of(vendor, stream, "fine")
    end = body.index(b"fine") + 2
    text, _, error = ask(vendor, stream, [body[:end]])
    assert_names(error, K.UNDECODABLE, K.STREAM_CUT)
    assert text == ""


@both
def test_a_stream_or_answer_that_ends_before_its_end(ask, vendor, stream):
    body = body_of(vendor, stream, "fine")
    begun = vendor.frame(vendor.saying("fine")[: BEFORE_THE_END[vendor.name]])
    text, _, error = ask(vendor, stream, [begun if stream else body[:-1]])
    assert_names(error, K.UNDECODABLE, K.STREAM_CUT)
    assert text == ("fine" if stream else "")


@both
def test_an_error_under_a_200(ask, vendor, stream):
    events = [vendor.saying("fine")[0], vendor.error_event]
    answer = vendor.frame(events) if stream else json.dumps(vendor.error).encode()
    text, _, error = ask(vendor, stream, [answer])
    assert_names(error, K.SERVER, K.RATE_LIMIT, K.INVALID_REQUEST, K.UNDECODABLE)
    assert "It broke." in str(error)
    assert text == ""


@both
def test_what_nobody_has_heard_of_is_passed_over(ask, vendor, stream):
    _, unknown = vendor.unknown
    first, *rest = vendor.saying("fine")
    streamed = vendor.frame([first, vendor.unknown, *rest])
    answer = streamed if stream else json.dumps({**vendor.said("fine"), "brand_new": unknown}).encode()
    assert ask(vendor, stream, [answer]) == ("fine", [], None)


@both
def test_arguments_that_are_no_json_are_never_mended(ask, vendor, stream):
    """As they came: where a dialect has no text for them but an object, the text that came in its place, as JSON."""
    answer = vendor.frame(vendor.calling(BROKEN)) if stream else json.dumps(vendor.called(BROKEN)).encode()
    text, calls, error = ask(vendor, stream, [answer])
    assert text == ""
    if error is not None:
        assert_names(error, K.UNDECODABLE)
    else:
        assert calls in ([BROKEN], [json.dumps(BROKEN)])


@both
def test_text_that_is_no_utf8(ask, vendor, stream):
    answer = body_of(vendor, stream, "fine").replace(b"fine", NO_TEXT)
    if stream:  # a single event that makes no sense is forgiven: here are two
        first, *rest = vendor.saying("fine")
        damaged = [(name, json.dumps(body).encode().replace(b"fine", NO_TEXT)) for name, body in rest]
        events = [(first[0], json.dumps(first[1]).encode()), *damaged, *damaged]
        answer = b"".join(framed(vendor, name, payload) for name, payload in events)
    text, _, error = ask(vendor, stream, [answer])
    assert_names(error, K.UNDECODABLE, K.STREAM_CUT)
    assert text == ""


def framed(vendor: Vendor, name: str, payload: bytes) -> bytes:
    if vendor is BEDROCK:
        return message(name, payload)
    if vendor.frame is VENDORS["ollama"].frame:
        return payload + b"\n"
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + payload + b"\n\n"


@both
def test_a_flood_is_not_read_to_its_end(ask, server, vendor, stream):
    body = body_of(vendor, stream, "fine")
    place = body.index(b"fine")
    block = b"x" * 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def flood():
        yield body[:place]
        for _ in range(FLOOD // len(block)):
            yield block
        yield body[place:]

    text, _, error = ask(vendor, stream, flood())
    assert_names(error, K.UNDECODABLE, K.STREAM_CUT)
    assert text == ""
    assert server.idle.wait(5)
    assert server.sent < FLOOD
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 1.3 * FLOOD, "what was read is held once at most"
