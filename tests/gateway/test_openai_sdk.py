"""The official OpenAI SDK, pointed at the gateway."""

import openai
import pytest
from meshes import config
from modelmesh_core.testing import answers

BASE = "https://a.test/v1"
HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def sdk(serve):
    opened = []

    def connect(*arguments, api_key="anything", max_retries=0, **options):
        server = serve(*arguments, **options)
        opened.append(openai.OpenAI(base_url=f"{server.url}/v1", api_key=api_key, max_retries=max_retries))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def test_a_chat_completion(sdk, upstream):
    upstream.script(BASE, [answers.chat("Paris.", tokens=(7, 2))])
    completion = sdk().chat.completions.create(model="chat-completion", messages=HI)
    assert completion.choices[0].message.content == "Paris."
    assert completion.usage.total_tokens == 9
    assert completion._request_id.startswith("req_")


def test_a_stream(sdk, upstream):
    upstream.script(BASE, [answers.stream("Pa", "ris", usage=(3, 2))])
    chunks = list(
        sdk().chat.completions.create(model="chat", messages=HI, stream=True, stream_options={"include_usage": True})
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Paris"
    assert chunks[-1].usage.total_tokens == 5


def test_a_stream_that_breaks_raises(sdk, upstream):
    upstream.script(BASE, [answers.stream("Pa", finish=False, done=False)])
    said = []
    with pytest.raises(openai.APIError, match="before the answer was whole"):
        for chunk in sdk().chat.completions.create(model="chat", messages=HI, stream=True):
            said.append(chunk.choices[0].delta.content)
    assert "Pa" in said


def test_embeddings(sdk, upstream):
    upstream.script(BASE, [answers.embeddings([0.5, 0.25], [1.0, 0.0])])
    settings = config("a.one", pool={"capability": "text-embeddings"})
    settings["models"]["a.one"]["capabilities"] = ["text-embeddings"]
    vectors = sdk(settings).embeddings.create(model="chat", input=["x", "y"], encoding_format="float")
    assert [row.embedding for row in vectors.data] == [[0.5, 0.25], [1.0, 0.0]]


def test_models(sdk):
    client = sdk()
    assert {"chat", "a.one"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("a.one").owned_by == "a"


def test_errors_are_the_sdks_own(sdk, upstream):
    client = sdk(config("a.one", pool={"retry": {"max_attempts": 1}}), auth={"tokens": ["a-token"]}, api_key="a-token")
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nobody", messages=HI)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
    upstream.script(BASE, [answers.error(400, "bad tools", code="bad", type="invalid_request_error")])
    with pytest.raises(openai.BadRequestError, match="bad tools"):
        client.chat.completions.create(model="chat", messages=HI)
    upstream.script(BASE, [answers.error(429, "slow down", retry_after="9")])
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model="chat", messages=HI)
    assert limited.value.response.headers["retry-after"] == "9"


def test_the_sdk_does_not_multiply_attempts_once_every_fallback_failed(sdk, upstream):
    upstream.script(BASE, [answers.error(500)])
    client = sdk(config("a.one", pool={"retry": {"max_attempts": 1}}), max_retries=2)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="chat", messages=HI)
    assert len(upstream.requests) == 1
