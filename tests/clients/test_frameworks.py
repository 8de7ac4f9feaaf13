"""LangChain, Pydantic AI and Instructor, which know nothing but that it is OpenAI-compatible."""

import instructor
import openai
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from scripted_vendor import ANSWER, ARGUMENTS, CITY, RESULT

QUESTION = "How is the weather in Ulm?"


class City(BaseModel):
    """A city."""

    name: str
    people: int


# --- LangChain -------------------------------------------------------------------------------------------------------


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return RESULT


@pytest.fixture
def model(url):
    return ChatOpenAI(model="chat", base_url=url, api_key="k", max_retries=0, timeout=20, stream_usage=True)


def test_langchain_text(model):
    answer = model.invoke(QUESTION)
    assert answer.content == ANSWER
    assert answer.usage_metadata["total_tokens"] == 7


def test_langchain_streams(model):
    chunks = list(model.stream(QUESTION))
    assert len([chunk for chunk in chunks if chunk.content]) > 1
    whole = sum(chunks[1:], chunks[0])
    assert whole.content == ANSWER
    assert whole.usage_metadata["total_tokens"] == 7


async def test_langchain_async(model):
    assert (await model.ainvoke(QUESTION)).content == ANSWER
    assert "".join([chunk.content async for chunk in model.astream(QUESTION)]) == ANSWER


@pytest.mark.parametrize("stream", [False, True])
def test_langchain_tools(model, stream):
    bound = model.bind_tools([weather])
    asked = [HumanMessage(QUESTION)]
    if stream:
        chunks = list(bound.stream(asked))
        answer = sum(chunks[1:], chunks[0])
    else:
        answer = bound.invoke(asked)
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", ARGUMENTS)
    result = weather.invoke(call)
    assert isinstance(result, ToolMessage)
    assert bound.invoke([*asked, answer, result]).content == ANSWER


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_langchain_structured_output(model, method):
    assert model.with_structured_output(City, method=method).invoke(QUESTION) == City(**CITY)


# --- Pydantic AI -----------------------------------------------------------------------------------------------------


@pytest.fixture
def chat_model(url):
    return OpenAIChatModel("chat", provider=OpenAIProvider(base_url=url, api_key="k"))


async def test_pydantic_ai_text_and_stream(chat_model):
    agent = Agent(chat_model)
    result = await agent.run(QUESTION)
    assert result.output == ANSWER
    async with agent.run_stream(QUESTION) as stream:
        assert await stream.get_output() == ANSWER


async def test_pydantic_ai_runs_a_tool(chat_model, vendor):
    agent = Agent(chat_model)
    asked = []

    @agent.tool_plain
    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return RESULT

    assert (await agent.run(QUESTION)).output == ANSWER
    assert asked == ["Ulm"]
    assert len(vendor.requests) == 2


async def test_pydantic_ai_structured_output(chat_model):
    assert (await Agent(chat_model, output_type=City).run(QUESTION)).output == City(**CITY)


# --- Instructor ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA], ids=str)
def test_instructor(url, mode):
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=20) as sdk:
        client = instructor.from_openai(sdk, mode=mode)
        messages = [{"role": "user", "content": QUESTION}]
        city = client.chat.completions.create(model="chat", messages=messages, response_model=City, max_retries=0)
    assert city.model_dump() == CITY


def test_instructor_partial_stream(url):
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=20) as sdk:
        client = instructor.from_openai(sdk)
        messages = [{"role": "user", "content": QUESTION}]
        *_, last = client.chat.completions.create_partial(model="chat", messages=messages, response_model=City)
    assert last.model_dump() == CITY
