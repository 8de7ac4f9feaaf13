"""``client.responses``, over a provider of chat completions and over OpenAI's own."""

import json

import pytest
from meshes import config
from modelmesh_core import InvalidRequestError, ProviderError
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"
OWN = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "one",
    "status": "completed",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Paris.", "annotations": []}],
        },
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    "something_new": 1,
}


def json_answer(body):
    return answers.Answer(200, json.dumps(body).encode(), {"content-type": "application/json"})


@pytest.fixture
def client(make_mesh):
    return make_mesh(config("a.one", "b.two")).get_client()


@pytest.fixture
def native(make_mesh):
    """A client whose provider speaks the Responses API itself."""
    settings = config("a.one")
    settings["providers"]["a"]["connector"] = "openai.llm.v1"
    return make_mesh(settings).get_client()


def test_an_answer_of_a_provider_of_chat_completions(client, upstream: FakeUpstream):
    upstream.script(A, [answers.chat("Paris.", tokens=(7, 2))])
    answer = client.responses.create(model="chat", input="Where?", instructions="Be brief.", max_output_tokens=50)
    assert (answer.status, answer.output_text) == ("completed", "Paris.")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 2)
    assert answer.modelmesh.model == "a.one"
    sent = json.loads(upstream.requests[0].body)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["model"] == "one"
    assert client.usage.input_tokens == 7


def test_an_answer_of_openais_own_comes_as_it_is(native, upstream: FakeUpstream):
    upstream.script(A, [json_answer(OWN)])
    answer = native.responses.create(model="chat", input="Where?", previous_response_id="resp_0")
    assert answer.to_dict() == OWN
    assert answer.output_text == "Paris."
    assert upstream.requests[0].url == f"{A}/responses"
    assert json.loads(upstream.requests[0].body)["previous_response_id"] == "resp_0"


def test_a_tool_call(client, upstream: FakeUpstream):
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": 1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    upstream.script(A, [json_answer({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})])
    tool = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}
    answer = client.responses.create(model="chat", input="Where?", tools=[tool])
    (item,) = [item for item in answer.output if item.type == "function_call"]
    assert (item.name, item.arguments, item.call_id) == ("look_up", '{"q": 1}', "call_1")
    assert json.loads(upstream.requests[0].body)["tools"][0]["function"]["name"] == "look_up"


def test_another_provider_answers_when_one_fails(client, upstream: FakeUpstream):
    upstream.script(A, [answers.error(401)])
    upstream.script(B, [answers.chat("Paris.")])
    assert client.responses.create(model="chat", input="Where?").modelmesh.model == "b.two"


def text_of(events):
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def test_a_stream(client, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("Pa", "ris", usage=(3, 2))])
    with client.responses.create(model="chat", input="Where?", stream=True) as stream:
        events = list(stream)
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert text_of(events) == "Paris"
    assert events[-1].response.usage.input_tokens == 3
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert stream.modelmesh.status == "success"
    assert client.usage.requests == 1


def test_a_stream_of_openais_own_comes_as_it_is(native, upstream: FakeUpstream):
    own = [
        {"type": "response.created", "sequence_number": 0, "response": {**OWN, "status": "in_progress", "output": []}},
        {"type": "response.output_text.delta", "sequence_number": 1, "delta": "Paris.", "item_id": "msg_1"},
        {"type": "response.something.new", "sequence_number": 2, "x": [1]},
        {"type": "response.completed", "sequence_number": 3, "response": OWN},
    ]
    pieces = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in own]
    upstream.script(A, [answers.Answer(200, b"", {"content-type": "text/event-stream"}, pieces)])
    events = list(native.responses.create(model="chat", input="Where?", stream=True))
    assert [event.to_dict() for event in events] == own


async def test_the_asynchronous_client_does_the_same(make_mesh, upstream: FakeUpstream):
    client = make_mesh(config("a.one")).get_async_client()
    upstream.script(A, [answers.chat("Paris.")])
    assert (await client.responses.create(model="chat", input="Where?")).output_text == "Paris."
    upstream.script(A, [answers.stream("Pa", "ris")])
    async with await client.responses.create(model="chat", input="Where?", stream=True) as stream:
        assert text_of([event async for event in stream]) == "Paris"


def test_a_stream_that_breaks_raises(client, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("Pa", finish=False, done=False)])
    upstream.script(B, [answers.error(500)])
    seen = []
    with pytest.raises(ProviderError, match="before the answer was whole"):
        for event in client.responses.create(model="chat", input="Where?", stream=True):
            seen.append(event)
    assert text_of(seen) == "Pa"


def test_leaving_early_closes_the_upstream(client, upstream: FakeUpstream):
    upstream.script(A, [answers.stream(*["word "] * 50)])
    with client.responses.create(model="chat", input="Where?", stream=True) as stream:
        next(stream)
    assert upstream.open_streams == 0


def test_what_cannot_be_understood_is_refused_before_anybody_is_asked(client, upstream: FakeUpstream):
    with pytest.raises(InvalidRequestError, match="input"):
        client.responses.create(model="chat")
    with pytest.raises(InvalidRequestError, match="background"):
        client.responses.create(model="chat", input="Where?", background=True)
    assert upstream.requests == []
