"""A place where the examples of the documentation run: OpenAI and the local models answer by a script."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import modelmesh_local
import pytest
from documents import DOCS, blocks
from modelmesh_core import InProcessProvider, Operation, ProviderCall, Reply, Usage, mesh
from modelmesh_core.testing import FakeUpstream, answers
from modelmesh_core.wire.http import HttpRequest

OPENAI = "https://api.openai.com/v1"
ANSWER = "The capital of France is Paris."


class ScriptedModels(InProcessProvider):
    """In the place of the local models, which take their time."""

    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS})

    async def execute(self, call: ProviderCall) -> Reply:
        answer = answers.chat(ANSWER)
        if call.operation is Operation.EMBEDDINGS:
            answer = answers.embeddings(*([0.5] * 384 for _ in call.body["input"]))
        return Reply(json.loads(answer.body), Usage(input=10, output=5), finish_reason="stop")


def openai_answers(request: HttpRequest) -> answers.Answer:
    """What OpenAI says while all is well."""
    body: dict[str, Any] = json.loads(request.body or b"{}")
    return answers.stream(*ANSWER.split()) if body.get("stream") else answers.chat(ANSWER)


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> FakeUpstream:
    """Nobody in the test reaches the network."""
    scripted = FakeUpstream()
    scripted.script(OPENAI, openai_answers)
    monkeypatch.setattr(mesh, "create_transport", scripted.make_transport)
    monkeypatch.setattr(modelmesh_local, "_create", lambda settings: ScriptedModels())
    return scripted


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: FakeUpstream) -> Callable[..., None]:
    """An empty home, with the quickstart's file in the working directory. Call it to set variables."""
    for name in os.environ:
        if name.startswith("MODELMESH_") or name.endswith(("_API_KEY", "_HOST", "_BASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    for block in blocks(DOCS / "quickstart.md", "yaml"):
        name = block.code.partition("\n")[0].removeprefix("# ")
        Path(name).write_text(block.code, encoding="utf-8")

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables
