"""Azure AI Speech, after its REST documentation: nothing of it was recorded."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core import FailureKind, ProviderError
from modelmesh_speech.azure import ssml

SPEAK = "{http://www.w3.org/2001/10/synthesis}"


@pytest.fixture
def provider(make):
    return make("azure.tts.v1", region="westeurope")


def voice_in(request):
    (voice,) = ElementTree.fromstring(request.body)
    return voice


def test_a_request(provider, say, play, answer):
    call = say("neural", voice="de-DE-KatjaNeural", input='A < B & "C"', speed=1.25, response_format="opus")
    (request,), reply = play(provider.execute(call), answer(b"OggS", 200, "audio/ogg"))
    assert request.url == "https://westeurope.tts.speech.microsoft.com/cognitiveservices/v1"
    assert request.headers["x-microsoft-outputformat"] == "ogg-24khz-16bit-mono-opus"
    assert request.headers["ocp-apim-subscription-key"].startswith("key-")
    voice = voice_in(request)
    assert voice.attrib == {"name": "de-DE-KatjaNeural"}
    assert (voice[0].tag, voice[0].attrib, voice[0].text) == (f"{SPEAK}prosody", {"rate": "1.25"}, 'A < B & "C"')
    assert (reply.content, reply.media_type, reply.usage.characters) == (b"OggS", "audio/ogg", 11)


@given(st.text(min_size=1), st.text())
def test_no_text_and_no_voice_leaves_its_place(text, voice):
    try:
        parsed = ElementTree.fromstring(ssml(text, voice).encode())
    except (ElementTree.ParseError, UnicodeEncodeError):
        assert any(not char.isprintable() for char in voice)  # the connector lets no such voice through
        return
    assert [element.tag for element in parsed.iter()] == [f"{SPEAK}speak", f"{SPEAK}voice"]
    kept = "".join(char for char in text if char in "\t\n\r" or (ord(char) >= 32 and not 0xD800 <= ord(char) < 0xE000))
    kept = kept.replace("\ufffe", "").replace("\uffff", "")
    assert (parsed[0].text or "") == kept.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize(
    ("model", "voice", "spoken", "dropped"),
    [
        ("neural", None, "en-US-AvaMultilingualNeural", []),
        ("neural", "alloy", "en-US-AlloyTurboMultilingualNeural", []),
        ("neural-hd", "onyx", "en-US-OnyxMultilingualNeuralHD", []),
        ("neural", "coral", "en-US-AvaMultilingualNeural", ["voice"]),
        ("neural", "x' onload='y", "en-US-AvaMultilingualNeural", ["voice"]),
        ("neural-hd", "en-US-Ava:DragonHDLatestNeural", "en-US-Ava:DragonHDLatestNeural", []),
        ("zh-CN-shaanxi-XiaoniNeural", None, "zh-CN-shaanxi-XiaoniNeural", []),
    ],
)
def test_voices(provider, say, model, voice, spoken, dropped):
    call = say(model, voice=voice)
    assert voice_in(next(provider.execute(call))).attrib["name"] == spoken and call.dropped == dropped


def test_han_characters_are_billed_twice(provider, say, play, answer):
    _, reply = play(provider.execute(say(input="漢字 かな")), answer(b"x", 200, "audio/mpeg"))
    assert reply.usage.characters == 7


def test_a_region_is_needed_and_cannot_be_another_host(make):
    with pytest.raises(ValueError, match="region is missing"):
        make("azure.tts.v1")
    with pytest.raises(ValueError, match="region"):
        make("azure.tts.v1", region="evil.example/x")
    assert make("azure.tts.v1", base_url="https://own.example").base_url == "https://own.example"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, FailureKind.INVALID_REQUEST), (401, FailureKind.AUTHENTICATION), (403, FailureKind.AUTHENTICATION),
     (429, FailureKind.RATE_LIMIT), (502, FailureKind.SERVER), (503, FailureKind.SERVER)],
)  # fmt: skip
def test_errors_have_no_body(provider, say, play, answer, status, kind):
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(say()), answer(b"", status, "text/plain", retry_after="7"))
    assert caught.value.failure.kind is kind
    assert caught.value.retry_after == (7 if status in (429, 502, 503) else None)


def test_its_health_is_the_list_of_voices(provider, play, answer):
    (request,), _ = play(provider.check_health(), answer([]))
    assert request.url.endswith("/cognitiveservices/voices/list")
