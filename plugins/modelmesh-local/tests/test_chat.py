"""Real answers of the chat model: whole, streamed, stopped."""

import asyncio
import copy
import os
import sys
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from modelmesh_core import EventKind, FailureKind, Operation, ProviderCall, ProviderError, ProviderSettings
from modelmesh_local.chat import ChatModel
from modelmesh_local.options import LocalOptions
from modelmesh_local.provider import LocalProvider

STORY = "Write a very long story about a fox."
LONG_QUESTION = "Repeat: " + " ".join(str(number) for number in range(400))


async def test_the_capital_of_france_is_paris(provider, chat):
    call = chat()
    before = copy.deepcopy(call.body)

    reply = await provider.execute(call)

    message = reply.body["choices"][0]["message"]
    assert "Paris" in message["content"]
    assert message["role"] == "assistant"
    assert (reply.body["object"], reply.body["model"], reply.finish_reason) == (
        "chat.completion",
        "smollm2-135m",
        "stop",
    )
    assert reply.usage.total == reply.body["usage"]["total_tokens"] > reply.usage.output > 0
    assert call.body == before


async def test_answers_are_repeatable_unless_a_temperature_is_set(provider, chat):
    call = chat("Invent a name for a boat.", max_tokens=12)
    first, second = [(await provider.execute(call)).body["choices"] for _ in range(2)]

    assert first == second


async def test_chunks_arrive_while_the_answer_is_still_being_written(provider, chat):
    call, arrivals, kinds, text = chat(STORY, stream=True, max_tokens=100), [], [], ""

    async for event in await provider.execute(call):
        kinds.append(event.kind)
        if event.kind is EventKind.CONTENT:
            arrivals.append(time.monotonic())
            text += event.chunk["choices"][0]["delta"]["content"]
        if event.kind is EventKind.FINISH:
            assert event.finish_reason == "length"
        if event.kind is EventKind.USAGE:
            assert event.usage.output == 100

    assert len(arrivals) > 50 and len(text) > 100
    assert arrivals[-1] - arrivals[0] > 0.1
    assert kinds[0] is EventKind.OPENING
    assert kinds[-3:] == [EventKind.FINISH, EventKind.USAGE, EventKind.DONE]


async def test_a_stream_says_what_the_whole_answer_says(provider, chat):
    whole = await provider.execute(chat(max_tokens=20))
    events = [event async for event in await provider.execute(chat(stream=True, max_tokens=20))]

    said = [event.chunk["choices"][0]["delta"]["content"] for event in events if event.kind is EventKind.CONTENT]
    assert "".join(said) == whole.body["choices"][0]["message"]["content"]
    assert {event.chunk["model"] for event in events if event.chunk} == {"smollm2-135m"}


@pytest.mark.parametrize("limit", [{"max_tokens": 5}, {"max_completion_tokens": 5}, {"max_tokens": 5, "n_predict": 50}])
async def test_the_callers_limit_holds(provider, chat, limit):
    reply = await provider.execute(chat(STORY, **limit))

    assert reply.finish_reason == "length"
    assert reply.usage.output == 5


async def test_an_answer_without_a_limit_ends_at_the_configured_one(models_folder, chat):
    options = LocalOptions(threads=1, max_tokens=7, cache_folder=str(models_folder))
    provider = LocalProvider(ProviderSettings("local", options=options))
    try:
        reply = await provider.execute(chat(STORY, max_tokens=None))
    finally:
        provider.close()

    assert reply.usage.output == 7


async def test_fields_that_llama_cpp_knows_are_passed_on(provider, chat):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    described = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}

    stopped = await provider.execute(chat(stop=["Paris"]))
    structured = await provider.execute(chat(response_format=described, max_tokens=40))
    weighed = await provider.execute(chat(logprobs=True, max_tokens=2))

    assert "Paris" not in stopped.body["choices"][0]["message"]["content"]
    assert '"city"' in structured.body["choices"][0]["message"]["content"]
    assert len(weighed.body["choices"][0]["logprobs"]["content"]) == 2


async def released(provider, chat):
    """Seconds until the model's thread is free: a request that it refuses at once gets its turn."""
    start = time.monotonic()
    with pytest.raises(ProviderError):
        await provider.execute(chat(messages=None))
    return time.monotonic() - start


async def test_closing_a_stream_stops_the_model_within_a_second(provider, chat):
    async with aclosing(await provider.execute(chat(STORY, stream=True, max_tokens=1500))) as events:
        async for event in events:
            if event.kind is EventKind.CONTENT:
                break

    assert await released(provider, chat) < 1


async def test_cancelling_a_whole_answer_stops_the_model_within_a_second_even_while_it_reads(provider, chat):
    await provider.execute(chat(max_tokens=1))  # loaded, and idle
    for question in (STORY, LONG_QUESTION):
        work = asyncio.ensure_future(provider.execute(chat(question, max_tokens=1500)))
        await asyncio.wait({work}, timeout=0.3)
        assert work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

        assert await released(provider, chat) < 1.5


async def test_a_request_that_waits_and_is_cancelled_is_never_computed(provider, chat):
    async with aclosing(await provider.execute(chat(STORY, stream=True, max_tokens=300))) as events:
        await anext(events)
        waiting = asyncio.ensure_future(provider.execute(chat(STORY, max_tokens=1500)))
        await asyncio.sleep(0)
        waiting.cancel()

    assert await released(provider, chat) < 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_question_that_does_not_fit_is_the_callers_context_error(provider, chat, stream):
    call = chat("word " * 5000, stream=stream)
    if stream:
        (event, _) = [event async for event in await provider.execute(call)]
        failure = event.error.failure
    else:
        with pytest.raises(ProviderError) as raised:
            await provider.execute(call)
        failure = raised.value.failure

    assert failure.kind is FailureKind.CONTEXT_LENGTH
    assert "2048" in failure.message


@pytest.mark.parametrize(
    "body",
    [
        {"messages": None},
        {"messages": "hello"},
        {"max_tokens": "many"},
        {"n": 2},
        {"metadata": {"object": object()}},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}
            ]
        },
    ],
)
async def test_a_body_that_cannot_be_read_is_the_callers_fault(provider, chat, body):
    with pytest.raises(ProviderError) as raised:
        await provider.execute(chat(**body))

    assert raised.value.failure.kind is FailureKind.INVALID_REQUEST
    assert raised.value.failure.status == 400


async def test_an_unknown_model_or_operation_is_named(provider):
    for operation, model in (
        (Operation.CHAT, "gpt-4"),
        (Operation.CHAT, "e5-small"),
        (Operation.SPEECH, "smollm2-135m"),
    ):
        with pytest.raises(ProviderError, match="smollm2-135m for chat, e5-small for embeddings") as raised:
            await provider.execute(ProviderCall(operation, model, {}))
        assert raised.value.failure.kind is FailureKind.MODEL_NOT_FOUND


def test_one_provider_serves_several_event_loops(provider, chat):
    answers = [asyncio.run(provider.execute(chat(max_tokens=3))) for _ in range(2)]

    assert answers[0].body["choices"] == answers[1].body["choices"]


async def test_shutting_down_ends_an_answer_without_calling_it_whole(models_folder, chat):
    provider = LocalProvider(ProviderSettings("local", options=LocalOptions(1, cache_folder=str(models_folder))))
    events = await provider.execute(chat(STORY, stream=True, max_tokens=1500))
    await anext(events)
    waiting = asyncio.ensure_future(provider.execute(chat(STORY)))
    await asyncio.sleep(0)

    await asyncio.to_thread(provider.close)

    for answer in (anext_until_the_end(events), waiting, provider.execute(chat())):
        with pytest.raises(ProviderError, match="shut down") as raised:
            await answer
        assert raised.value.failure.kind is FailureKind.CANCELLED


async def anext_until_the_end(events):
    async for event in events:
        assert event.kind is not EventKind.DONE


async def test_health_loads_nothing(models_folder, tmp_path):
    provider = LocalProvider(ProviderSettings("local", options=LocalOptions(cache_folder=str(tmp_path / "none"))))
    await provider.check_health()
    provider.close()

    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the sockets of this process from /proc")
def test_the_model_is_quiet_and_opens_no_port(models_folder, capfd):
    def listening() -> set[str]:
        own = {os.readlink(link) for link in os.scandir("/proc/self/fd") if os.path.lexists(link)}  # noqa: PTH115
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}

    before = listening()
    model = ChatModel(LocalOptions(threads=1, cache_folder=str(models_folder)))
    model.answer({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}, lambda chunk: False)

    assert listening() == before
    assert capfd.readouterr() == ("", "")
