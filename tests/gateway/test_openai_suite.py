"""OpenAI's own tests of its SDK pass through the gateway as they pass without it."""

from collections.abc import Iterator

import pytest
from openai_suite import CHAT_TO_AUDIO, DOCUMENT, FILES_AND_BATCHES, KEY, OpenAISuite, openai_suite

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="OpenAI's document, which the mock speaks by, is not here"
)


@pytest.fixture(scope="module")
def suite() -> OpenAISuite:
    return openai_suite()


@pytest.fixture
def mock(suite: OpenAISuite) -> Iterator[str]:
    with suite.mock() as url:
        yield url


def configuration(mock: str) -> dict:
    """Names go to the mock as they come. Where the SDK names no model, the capability needs one."""
    return {
        "providers": {
            "mock": {
                "connector": "modelmesh.openai-compatible.v1",
                "base_url": mock,
                "api_key": KEY,
                "pass_unlisted_models": True,
            }
        },
        "models": {
            "mock.dall-e-2": {"capabilities": ["text-to-image", "image-to-image"]},
            "mock.omni-moderation-latest": {"capabilities": ["content-moderation"]},
        },
        "pools": {"text-to-image": {}, "image-to-image": {}, "content-moderation": {}},
    }


@pytest.mark.parametrize(
    ("paths", "passed", "skipped"),
    [(CHAT_TO_AUDIO, 461, 4), (FILES_AND_BATCHES, 197, 3)],
    ids=["chat, embeddings, models, moderations, images, audio", "files, batches"],
)
def test_openais_own_tests(paths, passed, skipped, suite, mock, serve):
    server = serve(configuration(mock), live=True)
    result = suite.run(f"{server.url}/v1", paths)
    assert result.counts == {"passed": passed, "skipped": skipped}, result.text
