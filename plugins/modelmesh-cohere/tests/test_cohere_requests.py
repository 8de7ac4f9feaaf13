"""What a call in the OpenAI shape sends."""

import base64
import json

import pytest
from modelmesh_core import Operation, ProviderError

PNG = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "now", "description": "Time", "parameters": {"type": "object"}}}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": CITY, "strict": True}}


def test_a_conversation_with_system_images_and_tools(sent):
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": ""}}
    thought = {"type": "reasoning.text", "text": "Hm", "format": "cohere-v1", "index": 1}
    plan = {"type": "reasoning.text", "text": "I look", "format": "cohere-v1", "index": 0, "id": "tool_plan"}
    foreign = {"type": "reasoning.text", "text": "?", "format": "anthropic-v1", "signature": "s"}
    body, dropped = sent(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "See", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            ]},
            {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
            {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_details": [plan, thought, foreign]},
            {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
            {"role": "assistant", "content": "Noon"},
            {"role": "user", "content": "Thanks"},
        ],
        tools=[TOOL],
    )  # fmt: skip
    assert body["messages"] == [
        {"role": "system", "content": "Be brief.\n\nIn French."},
        {"role": "user", "content": [
            {"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        ]},
        {"role": "assistant", "tool_plan": "I look", "content": [{"type": "thinking", "thinking": "Hm"}],
         "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
        {"role": "assistant", "content": "Noon"},
        {"role": "user", "content": "Thanks"},
    ]  # fmt: skip
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert dropped == []


def test_text_files_become_documents(sent):
    data = "data:text/plain;base64," + base64.b64encode("Grüße".encode()).decode()
    part = {"type": "file", "file": {"file_data": data, "filename": "a.txt"}}
    body, _ = sent(
        documents=["own"], messages=[{"role": "user", "content": [{"type": "text", "text": "Sum up"}, part]}]
    )
    assert body["documents"] == ["own", {"id": "doc:0", "data": {"title": "a.txt", "text": "Grüße"}}]
    assert body["messages"][0]["content"] == "Sum up"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "image_url", "image_url": {}},
    ],
)
def test_parts_that_cohere_cannot_take_are_refused(sent, part):
    with pytest.raises(ProviderError) as caught:
        sent(messages=[{"role": "user", "content": [part]}])
    assert caught.value.status_code == 400


def test_parameters(sent):
    body, dropped = sent(
        max_completion_tokens=9, max_tokens=8, temperature=0.1, top_p=0.5, top_k=3, stop="END", seed=1, n=2,
        frequency_penalty=0.5, presence_penalty=0.5, logprobs=True, top_logprobs=2, user="u", safety_mode="OFF",
        parallel_tool_calls=True, logit_bias={"1": 2}, modalities=["text"],
    )  # fmt: skip
    wanted = {
        "max_tokens": 9, "temperature": 0.1, "p": 0.5, "k": 3, "stop_sequences": ["END"], "seed": 1,
        "frequency_penalty": 0.5, "logprobs": True, "safety_mode": "OFF", "model": "command-a-03-2025", "stream": False,
    }  # fmt: skip
    assert {key: value for key, value in body.items() if key != "messages"} == wanted
    assert dropped == ["presence_penalty", "n", "top_logprobs", "logit_bias"]
    assert sent(presence_penalty=0.5, top_p=1, stop=["a", "b"])[0].keys() == {
        "model", "messages", "stream", "presence_penalty", "stop_sequences",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "choice", "names"),
    [
        ("auto", None, ["now", "weather"]),
        ("none", "NONE", ["now", "weather"]),
        ("required", "REQUIRED", ["now", "weather"]),
        ({"type": "function", "function": {"name": "now"}}, "REQUIRED", ["now"]),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}}, None, ["now"]),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "weather"}]}, "REQUIRED", ["weather"]),
    ],
)
def test_tool_choice(sent, asked, choice, names):
    body, _ = sent(tools=[TOOL, WEATHER], tool_choice=asked)
    assert (body.get("tool_choice"), [tool["function"]["name"] for tool in body["tools"]]) == (choice, names)
    assert not any("strict" in tool["function"] for tool in body["tools"])


def test_strict_tools(sent):
    assert sent(tools=[WEATHER])[0]["strict_tools"] is True
    body, dropped = sent(tools=[WEATHER, TOOL], parallel_tool_calls=False)
    assert "strict_tools" not in body
    assert dropped == ["tools.strict", "parallel_tool_calls"]
    with pytest.raises(ProviderError, match="runs no tools"):
        sent(tools=[{"type": "web_search"}])


def test_answers_in_json(sent):
    schema = {
        "type": "object", "$defs": {"N": {"type": "integer", "minimum": 3}},
        "properties": {"n": {"allOf": [{"$ref": "#/$defs/N"}]}, "tags": {"type": "array", "items": {"type": "string"},
                       "maxItems": 2, "description": "Tags"}, "x": {"oneOf": [{"type": "null"}, {"enum": [1]}]}},
        "additionalProperties": False,
    }  # fmt: skip
    asked = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}
    assert sent(response_format=asked)[0]["response_format"] == {
        "type": "json_object",
        "json_schema": {
            "type": "object", "$defs": {"N": {"type": "integer", "description": "{minimum: 3}"}},
            "properties": {
                "n": {"$ref": "#/$defs/N"}, "x": {"anyOf": [{"type": "null"}, {"enum": [1]}]},
                "tags": {"type": "array", "items": {"type": "string"}, "description": "Tags\n\n{maxItems: 2}"},
            },
            "required": ["n", "tags", "x"],
        },
    }  # fmt: skip
    assert sent(response_format={"type": "json_object"})[0]["response_format"] == {"type": "json_object"}
    assert "response_format" not in sent(response_format={"type": "text"})[0]
    for other in ({"tools": [TOOL]}, {"documents": ["a"]}):
        body, dropped = sent(response_format=asked, **other)
        assert "response_format" not in body and dropped == ["response_format"]
    array = {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}
    assert sent(response_format=array)[1] == ["response_format"]


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "low"}, {"type": "enabled", "token_budget": 2048}),
        ({"reasoning_effort": "high"}, {"type": "enabled"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 99}}, {"type": "enabled", "token_budget": 99}),
        ({"thinking": {"type": "enabled", "token_budget": 7}}, {"type": "enabled", "token_budget": 7}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
    ],
)
def test_thinking(sent, asked, made):
    body, dropped = sent(features=("reasoning",), **asked)
    assert (body["thinking"], dropped) == (made, [])
    body, dropped = sent(**asked)
    assert "thinking" not in body and dropped == ([] if made["type"] == "disabled" else list(asked))


def test_where_it_is_sent(make_provider, make_call):
    for base in ("https://api.cohere.com", "https://api.cohere.com/v2/", None):
        request = next(make_provider(base_url=base, headers={"X-Client-Name": "me"}).execute(make_call(stream=True)))
        assert request.url == "https://api.cohere.com/v2/chat"
        assert request.stream and json.loads(request.body)["stream"] is True
        assert request.headers["authorization"] == "Bearer co-secret"
        assert request.headers["x-client-name"] == "me"
    for wrong in ("api.cohere.com", "https://a:b@c", "https://a?b=1", "https://a:99999"):
        with pytest.raises(ValueError, match="base_url"):
            make_provider(base_url=wrong)
    with pytest.raises(ProviderError):
        next(make_provider().execute(make_call(Operation.SPEECH, input="a")))


def test_embeddings_are_asked_for_in_batches(provider, play, make_call, answer):
    def vectors(count):
        billed = {"input_tokens": count, "image_tokens": 1}
        return answer({"embeddings": {"float": [[0.5, -1.0]] * count}, "meta": {"billed_units": billed}})

    texts = [f"t{n}" for n in range(100)]
    call = make_call(Operation.EMBEDDINGS, input=texts, dimensions=2, input_type="query", encoding_format="base64")
    requests, reply = play(provider.execute(call), vectors(96), vectors(4))
    bodies = [json.loads(request.body) for request in requests]
    assert [len(body["texts"]) for body in bodies] == [96, 4]
    assert (bodies[0]["input_type"], bodies[0]["output_dimension"]) == ("search_query", 2)
    assert len(reply.body["data"]) == 100 and reply.usage.input == 102
    assert reply.body["data"][99] == {"object": "embedding", "index": 99, "embedding": "AAAAPwAAgL8="}
    picture = {"type": "image_url", "image_url": {"url": PNG}}
    call = make_call(Operation.EMBEDDINGS, input=["a", picture], embedding_types=["float"])
    sent = json.loads(next(provider.execute(call)).body)
    assert sent["input_type"] == "search_document"
    assert sent["inputs"] == [{"content": [{"type": "text", "text": "a"}]}, {"content": [picture]}]


def test_several_kinds_of_vectors(provider, play, make_call, answer):
    call = make_call(Operation.EMBEDDINGS, input="a", embedding_types=["int8", "float"])
    reply = play(provider.execute(call), answer({"embeddings": {"int8": [[1]], "float": [[0.5]]}}))[1]
    row = {"object": "embedding", "index": 0, "embedding": [0.5], "embeddings_by_type": {"int8": [1], "float": [0.5]}}
    assert reply.body["data"] == [row]


def test_the_transcription_form(provider, make_call):
    call = make_call(
        Operation.TRANSCRIPTION, model="t", file=b"RI\r\nFF", filename='a"\r\nb.wav', media_type="audio/wav",
        temperature=0.5, prompt="p", response_format="verbose_json",
    )  # fmt: skip
    request = next(provider.execute(call))
    boundary = request.headers["content-type"].split("boundary=")[1]
    parts = request.body.decode().split(f"--{boundary}")
    assert parts[-1] == "--\r\n"
    assert [part.split("\r\n\r\n", 1)[1] for part in parts[1:-1]] == ["t\r\n", "en\r\n", "0.5\r\n", "RI\r\nFF\r\n"]
    assert 'filename="a%22  b.wav"\r\nContent-Type: audio/wav' in parts[4]
    assert call.dropped == ["prompt", "response_format"]


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (Operation.EMBEDDINGS, {"input": [1, 2]}),
        (Operation.EMBEDDINGS, {"input": ""}),
        (Operation.EMBEDDINGS, {"input": [{"type": "input_audio"}]}),
        (Operation.RERANK, {"query": "a", "documents": []}),
        (Operation.RERANK, {"query": "", "documents": ["a"]}),
        (Operation.RERANK, {"query": "a", "documents": [{"title": "b"}]}),
        (Operation.TRANSCRIPTION, {"file": "a.wav"}),
        (Operation.CHAT, {"messages": []}),
    ],
)
def test_calls_without_what_they_need(provider, make_call, operation, body):
    with pytest.raises(ProviderError) as caught:
        next(provider.execute(make_call(operation, **body)))
    assert caught.value.status_code == 400
