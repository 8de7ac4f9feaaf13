"""What comes back: Google's answer in the agreement's words."""

import json

import orjson
import pytest
from modelmesh_core import EventKind, FailureKind, Headers, HttpResponse, ProviderError, fold_chunks
from modelmesh_google.contents import encode_messages
from modelmesh_google.families import family_of
from modelmesh_google.replies import GoogleStreamDecoder

FILTERS = ["SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "IMAGE_SAFETY"]
BROKEN = ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"]


def candidate(*parts, **more):
    return {"content": {"parts": list(parts), "role": "model"}, "finishReason": "STOP", **more}


@pytest.fixture
def read(gemini, play, answer, chat):
    """The decoded body of an answer with these candidates."""

    def read(*candidates, **more):
        payload = {"candidates": list(candidates), "responseId": "r1", "modelVersion": "gemini-2.5-flash", **more}
        return play(gemini.execute(chat()), answer(payload))[1]

    return read


def stream(*payloads, separator=b"\r\n\r\n"):
    decoder = GoogleStreamDecoder(HttpResponse(200, Headers([("content-type", "text/event-stream")])), "m")
    data = b"".join(b"data: " + orjson.dumps(payload) + separator for payload in payloads)
    return [*decoder.feed(data), *decoder.finish()], decoder


def test_a_whole_answer(read):
    reply = read(candidate({"text": "Hello"}), createTime="2026-08-19T14:38:15.05Z")

    message = {"role": "assistant", "content": "Hello"}
    assert reply.body == {
        "id": "r1",
        "object": "chat.completion",
        "created": 1787150295,
        "model": "gemini-2.5-flash",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


STOPS = ["STOP", "OTHER", "NO_IMAGE", "A_NEW_ONE", 1, 5, *BROKEN]
ENDINGS = [*((one, "stop") for one in STOPS), *((one, "content_filter") for one in [3, *FILTERS])]


@pytest.mark.parametrize(("reason", "ours"), [("MAX_TOKENS", "length"), (2, "length"), *ENDINGS])
def test_every_ending(read, reason, ours):
    reply = read(candidate({"text": "x"}, finishReason=reason))
    choice = reply.body["choices"][0]
    assert choice["finish_reason"] == reply.finish_reason == ours
    if isinstance(reason, str) and reason != "STOP":
        assert choice["native_finish_reason"] == reason


@pytest.mark.parametrize("reason", BROKEN)
def test_an_answer_that_broke_before_it_began_is_an_error(read, reason):
    with pytest.raises(ProviderError, match="print") as raised:
        read({"finishReason": reason, "finishMessage": "Malformed function call: print(1)"})
    assert raised.value.failure.kind is FailureKind.SERVER and raised.value.failure.code == reason

    events, _ = stream({"candidates": [{"finishReason": reason, "index": 0}]})
    assert events[-1].kind is EventKind.ERROR and events[-1].error.failure.code == reason


def test_a_blocked_prompt_is_an_answer(gemini, play, answer, chat):
    ratings = [{"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH"}]
    payload = {
        "promptFeedback": {"blockReason": "SAFETY", "safetyRatings": ratings, "blockReasonMessage": "No."},
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4},
    }
    _, reply = play(gemini.execute(chat()), answer(payload))
    choice = reply.body["choices"][0]

    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("content_filter", "SAFETY")
    assert choice["message"]["refusal"] == "No." and choice["message"]["content"] is None
    assert choice["extra_content"]["google"]["promptFeedback"]["safetyRatings"] == ratings
    assert reply.usage.input == 4

    events, _ = stream(payload)
    assert [event.kind.value for event in events] == ["opening", "content", "finish", "usage"]


def test_a_withheld_answer_says_why(read):
    reply = read({"finishReason": "SAFETY", "finishMessage": "Withheld.", "safetyRatings": [{"blocked": True}]})
    choice = reply.body["choices"][0]
    assert choice["message"]["refusal"] == "Withheld."
    assert choice["extra_content"]["google"]["safetyRatings"] == [{"blocked": True}]


def test_several_candidates(read):
    reply = read(candidate({"text": "a"}), candidate({"text": "b"}, index=1, finishReason="MAX_TOKENS"))
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in reply.body["choices"]] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]


def test_calls_without_an_id_get_one_that_stays(read):
    parts = [{"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"name": "f"}}]
    calls = read(candidate(*parts)).body["choices"][0]["message"]["tool_calls"]
    again = read(candidate(*parts)).body["choices"][0]["message"]["tool_calls"]

    assert calls == again and len({call["id"] for call in calls}) == 2
    assert [call["function"]["arguments"] for call in calls] == ['{"a":1}', "{}"]
    streamed, _ = stream(*({"candidates": [candidate(part)], "responseId": "r1"} for part in parts))
    assert fold_chunks(e.chunk for e in streamed if e.chunk)["choices"][0]["message"]["tool_calls"] == calls


def test_logprobs(read):
    result = {
        "chosenCandidates": [{"token": "é", "tokenId": 1, "logProbability": -0.5}, {"token": "b"}],
        "topCandidates": [
            {"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "c", "logProbability": -2}]}
        ],
    }
    content = read(candidate({"text": "éb"}, logprobsResult=result)).body["choices"][0]["logprobs"]["content"]

    assert [(one["token"], one["logprob"], one["bytes"]) for one in content] == [
        ("é", -0.5, [195, 169]),
        ("b", 0.0, [98]),
    ]
    assert [[rival["token"] for rival in one["top_logprobs"]] for one in content] == [["é", "c"], []]


def test_usage_in_disjoint_buckets(read):
    metadata = {
        "promptTokenCount": 1000, "cachedContentTokenCount": 400, "candidatesTokenCount": 50, "thoughtsTokenCount": 30,
        "toolUsePromptTokenCount": 20, "totalTokenCount": 1100,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 100}, {"modality": "TEXT", "tokenCount": 900}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
    }  # fmt: skip
    reply = read(candidate({"text": "x"}), usageMetadata=metadata)

    usage = reply.usage
    assert (usage.input, usage.cached_input, usage.audio, usage.output, usage.reasoning) == (560, 400, 65, 45, 30)
    assert usage.total == 1100 == reply.body["usage"]["total_tokens"]


def test_what_only_the_total_counts_is_thinking(read):
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 40}
    usage = read(candidate({"text": "x"}), usageMetadata=counts).usage
    assert (usage.input, usage.output, usage.reasoning) == (10, 5, 25)


def test_grounding_becomes_citations(read):
    text = "Zürich is big. Bern is not."
    web = {"web": {"uri": "https://a.example", "title": "A"}}
    place = {"maps": {"uri": "https://maps.example/1", "title": "M", "placeId": "p"}}
    document = {"retrievedContext": {"uri": "gs://b/doc", "text": "…", "title": "D"}}
    supports = [
        {"segment": {"endIndex": 15, "text": "Zürich is big."}, "groundingChunkIndices": [0, 2]},
        {"segment": {"startIndex": 0, "endIndex": 4, "text": "Bern is not."}, "groundingChunkIndices": [0, 99, "x"]},
    ]
    metadata = {"groundingChunks": [web, place, document], "groundingSupports": supports, "webSearchQueries": ["q"]}
    choice = read(candidate({"text": text}, groundingMetadata=metadata)).body["choices"][0]

    first, second, third, fourth = choice["message"]["annotations"]
    assert first["url_citation"] == {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 14}
    assert second == {"type": "citation", "citation": {**document, "start_index": 0, "end_index": 14}}
    cited = third["url_citation"]
    assert text[cited["start_index"] : cited["end_index"]] == "Bern is not."
    assert fourth["url_citation"] == {"url": "https://maps.example/1", "title": "M"}
    assert choice["extra_content"]["google"]["groundingMetadata"] == metadata


def test_attributions_become_citations(read):
    sources = [{"startIndex": 0, "endIndex": 3, "uri": "https://a.example"}, {"license": "mit"}]
    for name in ("citationSources", "citations"):
        body = read(candidate({"text": "abcdef"}, citationMetadata={name: sources})).body
        assert body["choices"][0]["message"]["annotations"] == [
            {
                "type": "url_citation",
                "url_citation": {"url": "https://a.example", "title": "", "start_index": 0, "end_index": 3},
            },
            {"type": "citation", "citation": {"license": "mit"}},
        ]


def test_citations_are_told_once_in_a_stream():
    metadata = {"groundingChunks": [{"web": {"uri": "https://a.example"}}]}
    events, _ = stream(*({"candidates": [candidate({"text": word}, groundingMetadata=metadata)]} for word in "ab"))
    assert len(fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["annotations"]) == 1


def test_pictures_and_sound(read):
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "s"}
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}
    message = read(candidate({"text": "Here"}, image, sound)).body["choices"][0]["message"]

    assert message["images"][0]["image_url"] == {"url": "data:image/png;base64,iVBO"}
    assert message["audio"] == {"data": "AAAA", "format": "audio/L16;rate=24000"}
    again = encode_messages([{"role": "user", "content": "x"}, message], family_of("gemini-3-pro-image"))
    assert again["contents"][1]["parts"] == [{"text": "Here"}, image]


RICH = [
    {"text": "Let me think.", "thought": True, "thoughtSignature": "s0"},
    {"text": "More.", "thought": True},
    {"text": "I will "},
    {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "s1"},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
    {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "t", "args": {"items": [{"index": 0}, {"index": 0}]}}},
    {"inlineData": {"mimeType": "text/csv", "data": "YQ=="}},
    {"text": "say ü", "thoughtSignature": "s2"},
    {"text": "", "thoughtSignature": "s3"},
    {"functionCall": {"name": "f", "args": {"x": 1}, "id": "c1"}, "thoughtSignature": "s4"},
    {"functionCall": {"name": "g", "args": {}, "id": "c2"}},
]  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_goes_back_part_by_part(read, streamed):
    if streamed:
        events, _ = stream(*({"candidates": [candidate(part)]} for part in RICH))
        body = fold_chunks(event.chunk for event in events if event.chunk)
    else:
        body = read(candidate(*RICH)).body
    message = body["choices"][0]["message"]

    assert message["content"] == "I will say ü" and message["reasoning_content"] == "Let me think.More."
    again = encode_messages([{"role": "user", "content": "x"}, message], family_of("gemini-3-flash-preview"))
    assert again["contents"][1]["parts"] == RICH


def test_recorded_answers_go_back_as_they_came(chats):
    """What Google sent, less how a stream cut its text."""
    for one in chats:
        if one.status != 200 or not (parts := [p for payload in one.payloads for p in parts_of(payload)]):
            continue
        events, _ = stream(*one.payloads)
        message = fold_chunks(event.chunk for event in events if event.chunk)["choices"][0]["message"]
        again = encode_messages([{"role": "user", "content": "x"}, message], family_of("gemini-2.5-flash"))
        assert joined(again["contents"][1:] and again["contents"][1]["parts"]) == joined(parts), one.id


def parts_of(payload):
    return [part for one in payload.get("candidates", []) for part in one.get("content", {}).get("parts", [])]


def joined(parts):
    """Parts with neighbours of one kind put together, calls as they are whole, and ids that were made left out."""
    result = []
    for part in parts:
        part = json.loads(json.dumps(part))
        call = part.get("functionCall")
        if call is not None:
            if "name" not in call:
                continue
            part["functionCall"] = call["name"]
        last = result[-1] if result else {}
        plain = part.keys() <= {"text", "thought"} and last.keys() == part.keys()
        if plain:
            last["text"] += part["text"]
        elif part != {"text": ""}:
            result.append(part)
    return result


def test_blocks_that_no_longer_fit_lose_no_text():
    blocks = [
        {"type": "reasoning.encrypted", "format": "google-gemini-v1", "index": 1, "data": "s", "at": 90, "length": 5},
        {"type": "google.part", "format": "google-gemini-v1", "index": 0, "data": "not JSON", "at": 1},
        {"type": "reasoning.encrypted", "format": "google-gemini-v1", "id": "c1", "data": "call"},
        {"type": "reasoning.text", "format": "anthropic-v1", "text": "theirs", "signature": "x"},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "short", "reasoning_details": blocks, "tool_calls": [call]}
    parts = encode_messages([message], family_of("gemini-3-flash"))["contents"][0]["parts"]
    assert parts == [
        {"text": "short"},
        {"text": "", "thoughtSignature": "s"},
        {"functionCall": {"name": "f", "args": {}, "id": "c1"}, "thoughtSignature": "call"},
    ]


def test_arguments_that_arrive_in_pieces():
    pieces = [
        {"name": "f", "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.a.b[0].c", "stringValue": "x", "willContinue": True}], "willContinue": True},
        {
            "partialArgs": [{"jsonPath": "$.a.b[0].c", "stringValue": "y"}, {"jsonPath": "$.n", "numberValue": 3}],
            "willContinue": True,
        },
        {"partialArgs": [{"jsonPath": "$['a b']", "boolValue": True}, {"jsonPath": "$.z", "nullValue": "NULL_VALUE"}]},
    ]
    events, _ = stream(*({"candidates": [candidate({"functionCall": piece})]} for piece in pieces))
    (call,) = fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"a": {"b": [{"c": "xy"}]}, "n": 3, "a b": True, "z": None}


# --- streams ---------------------------------------------------------------------------------------------------------


def test_text_after_an_ending_is_not_lost():
    events, _ = stream({"candidates": [candidate({"text": "a"})]}, {"candidates": [candidate({"text": "b"})]})
    assert [event.kind.value for event in events] == ["opening", "content", "content", "finish"]
    assert fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["content"] == "ab"


def test_events_without_a_blank_line_between_them():
    events, decoder = stream(*({"candidates": [candidate({"text": word})]} for word in "abc"), separator=b"\n")
    assert fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["content"] == "abc"
    assert decoder.skipped == 0


def test_one_broken_event_is_skipped():
    decoder = GoogleStreamDecoder(HttpResponse(200), "m")
    good = b"data: " + orjson.dumps({"candidates": [candidate({"text": "a"})]}) + b"\n\n"
    events = [
        *decoder.feed(b'data: {"candidates": [\n\ndata: 7\n\n: ping\n\ndata: [DONE]\n\n' + good),
        *decoder.finish(),
    ]
    assert decoder.skipped == 2 and [event.kind.value for event in events] == ["opening", "content", "finish"]


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: [error]])
def test_an_error_within_a_stream(wrap):
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    events, _ = stream({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, wrap(error))
    last = events[-1]
    assert last.kind is EventKind.ERROR and last.error.failure.kind is FailureKind.SERVER
    assert last.error.failure.status == 503 and last.error.failure.body == error


def test_a_server_that_answers_a_stream_with_a_json_array(gemini, play, answer, chat):
    payloads = [{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, {"candidates": [candidate({"text": "b"})]}]
    data = orjson.dumps(payloads)
    _, decoder = play(gemini.execute(chat(stream=True)), answer(b""))
    events = [*decoder.feed(data[:20]), *decoder.feed(data[20:]), *decoder.finish()]
    assert fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["content"] == "ab"
    assert events[-1].finish_reason == "stop"
