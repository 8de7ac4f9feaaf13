"""openai-python, sync and async, before three vendors' dialects."""

import json

import openai
import pytest
from pydantic import BaseModel
from scripted_vendor import ANSWER, ARGUMENTS, CITY, RESULT

HI = [{"role": "user", "content": "How is the weather in Ulm?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Of a city", "parameters": PARAMETERS}}


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def sdk(url):
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=20) as client:
        yield client


def test_text(sdk):
    completion = sdk.chat.completions.create(model="chat", messages=HI)
    (choice,) = completion.choices
    assert (choice.message.content, choice.finish_reason) == (ANSWER, "stop")
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (5, 2)


def test_a_stream_is_more_than_one_piece(sdk):
    options = {"include_usage": True}
    chunks = list(sdk.chat.completions.create(model="chat", messages=HI, stream=True, stream_options=options))
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert "".join(texts) == ANSWER
    assert len(texts) > 1
    assert chunks[-1].usage.total_tokens == 7


def test_the_sdks_own_stream_of_events(sdk):
    with sdk.chat.completions.stream(model="chat", messages=HI) as stream:
        said = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(said) == final.choices[0].message.content == ANSWER


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_and_its_result(sdk, vendor, stream):
    if stream:
        with sdk.chat.completions.stream(model="chat", messages=HI, tools=[TOOL]) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = sdk.chat.completions.create(model="chat", messages=HI, tools=[TOOL]).choices[0]
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    turns = [*HI, choice.message, {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
    assert sdk.chat.completions.create(model="chat", messages=turns, tools=[TOOL]).choices[0].message.content == ANSWER
    assert len(vendor.requests) == 2


def test_a_parsed_answer(sdk):
    completion = sdk.chat.completions.parse(model="chat", messages=HI, response_format=City)
    assert completion.choices[0].message.parsed == City(**CITY)


def test_a_parsed_call(sdk):
    tool = openai.pydantic_function_tool(City)
    completion = sdk.chat.completions.parse(model="chat", messages=HI, tools=[tool])
    (call,) = completion.choices[0].message.tool_calls
    assert call.function.parsed_arguments == City(**CITY)


def test_responses(sdk):
    response = sdk.responses.create(model="chat", input="How is the weather in Ulm?")
    assert (response.output_text, response.status) == (ANSWER, "completed")
    with sdk.responses.stream(model="chat", input="How is the weather in Ulm?") as stream:
        said = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(said) == stream.get_final_response().output_text == ANSWER


async def test_async(url):
    async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0, timeout=20) as sdk:
        completion = await sdk.chat.completions.create(model="chat", messages=HI)
        assert completion.choices[0].message.content == ANSWER
        stream = await sdk.chat.completions.create(model="chat", messages=HI, stream=True)
        said = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
        assert "".join(said) == ANSWER
        parsed = await sdk.chat.completions.parse(model="chat", messages=HI, response_format=City)
        assert parsed.choices[0].message.parsed == City(**CITY)


async def test_a_stream_that_is_left_early(url):
    async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0, timeout=20) as sdk:
        for _ in range(3):
            stream = await sdk.chat.completions.create(model="chat", messages=HI, stream=True)
            async for _ in stream:
                break
            await stream.close()
        assert (await sdk.chat.completions.create(model="chat", messages=HI)).choices[0].message.content == ANSWER
