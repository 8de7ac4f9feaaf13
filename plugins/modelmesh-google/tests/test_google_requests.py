"""What is sent: the agreement's request in Google's words, field for field."""

import base64
import json

import pytest
from modelmesh_core import FailureKind, InvalidRequestError, Operation, ProviderCall

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Gets current weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CITY = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}


def user(*parts):
    return {"role": "user", "content": parts[0] if isinstance(parts[0], str) else list(parts)}


def called(identity, name="weather", arguments='{"city":"Berlin"}', **more):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_a_question_with_a_system_prompt(sent):
    system = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
    ]
    body, call = sent(messages=[system[0], user("Hi"), system[1]])

    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief.\n\nIn French."}]},
    }
    assert call.dropped == []


def test_turns_of_one_speaker_become_one_content(sent):
    body, _ = sent(messages=[user("a"), user("b"), {"role": "assistant", "content": "c"}, user("d")])

    assert [(one["role"], [part["text"] for part in one["parts"]]) for one in body["contents"]] == [
        ("user", ["a", "b"]),
        ("model", ["c"]),
        ("user", ["d"]),
    ]


def test_a_system_prompt_alone_and_one_for_a_model_without(sent):
    alone, _ = sent(messages=[{"role": "system", "content": "Say hi."}])
    gemma, _ = sent("gemma-3-27b-it", messages=[{"role": "system", "content": "Say hi."}, user("x")])

    assert alone == {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}
    assert [part["parts"][0]["text"] for part in gemma["contents"]] == ["Say hi.", "x"]
    assert "systemInstruction" not in gemma


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
         {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        ({"type": "image_url", "image_url": "https://a.example/cat.webp?x=1"},
         {"fileData": {"mimeType": "image/webp", "fileUri": "https://a.example/cat.webp?x=1"}}),
        ({"type": "image_url", "image_url": {"url": "gs://bucket/cat"}},
         {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://bucket/cat"}}),
        ({"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
         {"inlineData": {"mimeType": "image/svg+xml", "data": base64.b64encode(b"<svg/>").decode()}}),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
         {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
         {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}}),
        ({"type": "file", "file": {"file_data": "eyB9", "filename": "a.json"}},
         {"inlineData": {"mimeType": "application/json", "data": "eyB9"}}),
        ({"type": "file", "file": {"file_url": "https://a.example/report"}},
         {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a.example/report"}}),
        ({"type": "file", "file": {"file_id": "files/abc", "filename": "a.pdf"}},
         {"fileData": {"mimeType": "application/pdf",
                       "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}}),
        ({"type": "video_url", "video_url": {"url": "https://youtu.be/abc"}},
         {"fileData": {"fileUri": "https://youtu.be/abc"}}),
        ({"type": "video", "fileData": {"fileUri": "gs://b/v.mp4"}, "videoMetadata": {"fps": 2}},
         {"fileData": {"fileUri": "gs://b/v.mp4"}, "videoMetadata": {"fps": 2}}),
    ],
)  # fmt: skip
def test_media(sent, part, expected):
    body, _ = sent(messages=[user({"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}}, part)])

    assert body["contents"][0]["parts"] == [{"text": "Look"}, expected]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_use", "input": {}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64"}},
        {"type": "file", "file": {}},
        7,
    ],
)
def test_parts_that_google_has_nothing_like_are_refused(sent, part):
    with pytest.raises(InvalidRequestError) as raised:
        sent(messages=[user(part)])
    assert raised.value.failure.status == 400


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        "Hi",
        [{"role": "wizard", "content": "x"}],
        [{"role": "system", "content": [{"type": "image_url", "image_url": "gs://a/b"}]}],
    ],
)
def test_messages_that_make_no_sense_are_refused(sent, messages):
    with pytest.raises(InvalidRequestError):
        sent(messages=messages)


def test_parameters_and_what_is_left_out(sent):
    body, call = sent(
        max_completion_tokens=50, temperature=0.2, top_p=0.9, top_k=20, seed=7, stop="END", n=2, presence_penalty=0.5,
        frequency_penalty=0, logprobs=True, top_logprobs=3, logit_bias={"1": 2}, prediction={"type": "content"},
        user="u1", metadata={"a": "b"}, service_tier="auto", store=True, stream_options={}, prompt_cache_key="k",
        parallel_tool_calls=True,
    )  # fmt: skip

    assert body["generationConfig"] == {
        "maxOutputTokens": 50, "temperature": 0.2, "topP": 0.9, "topK": 20, "seed": 7, "stopSequences": ["END"],
        "candidateCount": 2, "presencePenalty": 0.5, "responseLogprobs": True, "logprobs": 3,
    }  # fmt: skip
    assert body.keys() == {"contents", "generationConfig"}
    assert call.dropped == ["logit_bias", "prediction"]


def test_the_default_asks_for_nothing(sent):
    body, call = sent(n=1, temperature=None, stop=[], modalities=["text"], response_format={"type": "text"})
    assert body.keys() == {"contents"} and call.dropped == []


def test_a_policy_of_error_refuses_what_is_missing(gemini, chat):
    with pytest.raises(InvalidRequestError, match="logit_bias"):
        next(gemini.execute(chat(unsupported="error", logit_bias={"1": 1})))


# --- JSON, thinking, modalities --------------------------------------------------------------------------------------


def test_json_answers(sent):
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}}
    free, _ = sent(response_format={"type": "json_object"})
    bound, _ = sent(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})

    assert free["generationConfig"] == {"responseMimeType": "application/json"}
    assert bound["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseSchema": {
            "type": "OBJECT",
            "properties": {"b": {"type": "INTEGER"}, "a": {"type": "STRING"}},
            "propertyOrdering": ["b", "a"],
        },
    }


def test_json_answers_that_only_json_schema_can_describe(sent):
    node = {"type": "object", "properties": {"next": {"$ref": "#/definitions/node"}}}
    schema = {"$ref": "#/definitions/node", "definitions": {"node": node}}
    wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
    body, _ = sent(response_format=wanted)
    old, _ = sent("gemini-1.5-pro", response_format=wanted)

    moved = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    assert body["generationConfig"]["responseJsonSchema"] == {"$ref": "#/$defs/node", "$defs": {"node": moved}}
    assert old["generationConfig"]["responseSchema"]["properties"] == {"next": {"type": "OBJECT"}}


@pytest.mark.parametrize(
    ("model", "asked", "expected", "dropped"),
    [
        ("gemini-2.5-flash", {"reasoning_effort": "low"}, {"includeThoughts": True, "thinkingBudget": 1024}, 0),
        ("gemini-2.5-flash", {"reasoning_effort": "high"}, {"includeThoughts": True, "thinkingBudget": 24576}, 0),
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}, 0),
        ("gemini-2.5-pro", {"reasoning_effort": "none"}, {"thinkingBudget": 128}, 1),
        ("gemini-2.5-pro", {"thinking": {"type": "enabled", "budget_tokens": 3000}},
         {"includeThoughts": True, "thinkingBudget": 3000}, 0),
        ("gemini-2.5-flash", {"thinking": {"type": "adaptive"}}, {"includeThoughts": True, "thinkingBudget": -1}, 0),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "low"}, {"includeThoughts": True, "thinkingLevel": "low"}, 0),
        ("gemini-3-pro-preview", {"reasoning_effort": "medium"}, {"includeThoughts": True, "thinkingLevel": "high"}, 0),
        ("gemini-3.5-flash", {"reasoning_effort": "minimal"},
         {"includeThoughts": True, "thinkingLevel": "minimal"}, 0),
        ("gemini-3.8-flash", {"reasoning_effort": "minimal"}, {"includeThoughts": True, "thinkingLevel": "low"}, 0),
        ("gemini-4-argon", {"reasoning_effort": "xhigh"}, {"includeThoughts": True, "thinkingLevel": "high"}, 0),
        ("gemini-4-argon", {"reasoning_effort": "none"}, {"thinkingLevel": "low"}, 1),
        ("gemini-4-argon", {"thinking": {"type": "enabled", "budget_tokens": 8000}},
         {"includeThoughts": True, "thinkingLevel": "medium"}, 0),
        ("gemini-2.0-flash", {"reasoning_effort": "high"}, None, 1),
        ("gemini-2.0-flash", {"reasoning_effort": "none"}, None, 0),
    ],
)  # fmt: skip
def test_thinking(sent, model, asked, expected, dropped):
    body, call = sent(model, **asked)
    assert body.get("generationConfig", {}).get("thinkingConfig") == expected
    assert len(call.dropped) == dropped


def test_modalities(sent):
    image, _ = sent(modalities=["text", "image"])
    sound, _ = sent(modalities=["text", "audio"], audio={"voice": "Puck", "format": "wav"})
    foreign, call = sent(modalities=["audio"], audio={"voice": "alloy"})

    assert image["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}
    voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}
    assert sound["generationConfig"] == {"responseModalities": ["AUDIO"], "speechConfig": voice}
    assert foreign["generationConfig"] == {"responseModalities": ["AUDIO"]} and call.dropped == ["audio"]


def test_words_of_google_s_own(sent):
    own = {"cached_content": "cachedContents/1", "thinking_config": {"include_thoughts": True}, "labels": {"a": "b"},
           "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}  # fmt: skip
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    body, call = sent(google=own, safety_settings=safety, temperature=1)

    assert body["cachedContent"] == "cachedContents/1" and body["labels"] == {"a": "b"}
    assert body["safetySettings"] == safety and call.dropped == []
    assert body["generationConfig"] == {
        "temperature": 1, "mediaResolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": {"includeThoughts": True},
    }  # fmt: skip


def test_an_answer_is_continued(gemini):
    call = ProviderCall(Operation.CHAT, "gemini-2.5-flash", {"messages": [user("Count")]}, prefill="One, two, ")
    request = next(gemini.execute(call))
    assert json.loads(request.body)["contents"][-1] == {"role": "model", "parts": [{"text": "One, two, "}]}


def test_the_body_of_the_caller_is_left_alone(gemini, chat):
    call = chat(tools=[WEATHER], google={"generationConfig": {"a": {}}}, temperature=1)
    before = json.dumps(call.body)
    next(gemini.execute(call))
    assert json.dumps(call.body) == before


def test_what_json_cannot_hold_is_the_caller_s_mistake(gemini, chat):
    with pytest.raises(InvalidRequestError) as raised:
        next(gemini.execute(chat(seed=2**70)))
    assert raised.value.failure.kind is FailureKind.INVALID_REQUEST


def test_recorded_requests_have_the_fields_that_are_sent(chats, sent):
    """Every field that other clients send for what the agreement can ask is one that is sent here."""
    rich, _ = sent(
        "gemini-3.5-flash", tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}},
        temperature=1, max_tokens=5, logprobs=True, top_logprobs=2, modalities=["text", "image"],
        response_format={"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}, reasoning_effort="low",
        messages=[{"role": "system", "content": "x"}, user("y")], google={"cached_content": "c"},
    )  # fmt: skip
    ours = {*rich, *rich["generationConfig"], *rich["generationConfig"]["thinkingConfig"]}
    ours |= {"responseJsonSchema", "responseSchema", "thinkingBudget"}
    foreign = {"modelArmorConfig", "include_thoughts", "thinking_budget"}
    for one in chats:
        body = one.sent or {}
        config = body.get("generationConfig") or {}
        theirs = {*body, *config, *config.get("thinkingConfig", {})}
        assert theirs - foreign <= ours | {"contents"}, one.id
