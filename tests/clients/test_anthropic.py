"""Anthropic's SDK at ``/v1/messages``, before three vendors' dialects."""

import anthropic
import pytest
from scripted_vendor import ANSWER, ARGUMENTS, RESULT

ASKED = {"model": "chat", "max_tokens": 100}
HI = {"role": "user", "content": "How is the weather in Ulm?"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "Of a city", "input_schema": SCHEMA}


@pytest.fixture
def sdk(url):
    with anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="k", max_retries=0, timeout=20) as client:
        yield client


def test_text(sdk):
    message = sdk.messages.create(**ASKED, messages=[HI], system="Be brief.")
    (block,) = message.content
    assert (block.text, message.stop_reason) == (ANSWER, "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 2)


def test_a_stream_is_more_than_one_piece(sdk):
    with sdk.messages.stream(**ASKED, messages=[HI]) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(texts) == final.content[0].text == ANSWER
    assert len(texts) > 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_and_its_result(sdk, stream):
    if stream:
        with sdk.messages.stream(**ASKED, messages=[HI], tools=[TOOL]) as events:
            message = events.get_final_message()
    else:
        message = sdk.messages.create(**ASKED, messages=[HI], tools=[TOOL])
    (use,) = [block for block in message.content if block.type == "tool_use"]
    assert (use.name, use.input, message.stop_reason) == ("weather", ARGUMENTS, "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": RESULT}
    turns = [HI, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    assert sdk.messages.create(**ASKED, messages=turns, tools=[TOOL]).content[0].text == ANSWER


async def test_async(url):
    root = url.removesuffix("/v1")
    async with (
        anthropic.AsyncAnthropic(base_url=root, api_key="k", max_retries=0, timeout=20) as sdk,
        sdk.messages.stream(**ASKED, messages=[HI]) as stream,
    ):
        assert "".join([text async for text in stream.text_stream]) == ANSWER
