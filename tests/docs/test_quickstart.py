"""The quickstart, run from top to bottom, as a newcomer would."""

import pytest
from documents import DOCS, blocks, run
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer
from modelmesh_core.testing import answers

PAGE = DOCS / "quickstart.md"
OPENAI = "https://api.openai.com/v1"
BLOCKS = list(blocks(PAGE, "python", "text"))
EXAMPLES = [block for block in BLOCKS if block.language == "python"]


def examples(*words):
    """The Python blocks that hold all of ``words``."""
    found = [block for block in EXAMPLES if all(word in block.code for word in words)]
    assert found, f"no example has {' and '.join(words)}"
    return found


def said_after(block):
    """What the page says that a block prints."""
    following = BLOCKS[BLOCKS.index(block) + 1]
    assert following.language == "text"
    return following.code


def test_without_a_key_the_local_model_answers(workplace, capsys):
    (example,) = examples("from_env", "get_client", "chat.completions")
    run(example)
    assert capsys.readouterr().out == "The capital of France is Paris.\n"


def test_the_answer_streams_in_an_event_loop(workplace, capsys):
    (example,) = examples("get_async_client")
    run(example)
    assert capsys.readouterr().out == "The capital of France is Paris.\nanswered by local.smollm2-135m\n"


def test_embeddings(workplace, capsys):
    (example,) = examples("embeddings.create")
    run(example)
    assert capsys.readouterr().out == "2 vectors of 384 numbers\n"


def test_openai_answers_where_its_key_is_good(workplace, capsys):
    workplace(OPENAI_API_KEY="sk-good")
    (example,) = examples("from_yaml", "attempts")
    run(example)
    assert "openai.gpt-4.1-mini success" in capsys.readouterr().out


def test_failover_prints_what_the_page_says(workplace, upstream, capsys):
    workplace(OPENAI_API_KEY="sk-...")
    upstream.script(OPENAI, [answers.error(401, "Incorrect API key provided")])
    (example,) = examples("from_yaml", "attempts")
    run(example)
    printed = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    assert printed == said_after(example)


def test_explain_tells_who_would_answer(workplace, capsys):
    workplace(OPENAI_API_KEY="sk-...")
    (example,) = examples("mesh.explain")
    run(example)
    assert "would ask openai.gpt-4.1-mini" in capsys.readouterr().out


@pytest.fixture
def gateway(workplace):
    """The gateway as the page starts it, on any free port."""
    workplace(OPENAI_API_KEY="sk-...")
    with ProxyServer(ModelMesh.from_yaml("modelmesh.yaml"), port=0) as server:
        yield server


def test_the_openai_sdk_talks_to_the_gateway(gateway, capsys):
    (example,) = examples("from openai import OpenAI")
    assert "http://127.0.0.1:8080/v1" in example.code
    run(example._replace(code=example.code.replace("http://127.0.0.1:8080", gateway.url)))
    assert capsys.readouterr().out == "The capital of France is Paris.\n"
