"""Callers of a mesh over FaultyProviders: in Python, and at a gateway with the OpenAI SDK."""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
from modelmesh_core import ModelMesh, ModelMeshError
from modelmesh_core.testing import FaultyProvider, answer_to

PROMPT = "How did it go?"
MESSAGES = [{"role": "user", "content": PROMPT}]
EXPECTED = answer_to({"messages": MESSAGES})
SILENCE = 0.7
"""Seconds. A shared machine stands still for some tenths of one now and then: who works must not seem silent."""
DEADLINE = 8.0
MOST_CALLS = 2


def configuration(providers: dict[str, FaultyProvider], **pool: Any) -> dict[str, Any]:
    """``providers`` in order of preference, one model each."""
    timeout = {"connect": 1.0, "first_byte": SILENCE, "idle": SILENCE}
    retry = {"max_attempts": MOST_CALLS, "initial_delay": 0.01, "max_delay": 0.2, "ttft_timeout": SILENCE * 2}
    return {
        "providers": {
            name: {
                "connector": "modelmesh.openai-compatible.v1",
                "base_url": provider.base_url,
                "api_key": "faulty-key",
                "timeout": timeout,
            }
            for name, provider in providers.items()
        },
        "models": {
            f"{name}.model": {"provider": name, "capabilities": ["chat-completion"], "features": ["tool_calling"]}
            for name in providers
        },
        "pools": {
            "chat": {
                "capability": "chat-completion",
                "strategy": "modelmesh.priority-selection.v1",
                "provider_priority": list(providers),
                "deadline": DEADLINE,
                "retry": retry,
                **pool,
            }
        },
    }


class Caller:
    """Somebody who asks, through one of the ways in, and says what they got."""

    mesh: ModelMesh

    def whole(self) -> tuple[str, Exception | None]:
        raise NotImplementedError

    def stream(self) -> tuple[str, Exception | None]:
        raise NotImplementedError


class InPython(Caller):
    def __init__(self, mesh: ModelMesh) -> None:
        self.mesh = mesh
        self.completions = mesh.get_client().chat.completions

    def whole(self):
        try:
            return self.completions.create(model="chat", messages=MESSAGES).choices[0].message.content, None
        except ModelMeshError as error:
            return "", error

    def stream(self):
        said = ""
        try:
            for chunk in self.completions.create(model="chat", messages=MESSAGES, stream=True):
                said += "".join(choice.delta.content or "" for choice in chunk.choices)
        except ModelMeshError as error:
            return said, error
        return said, None


class OverHttp(Caller):
    """The OpenAI SDK, without retries of its own, at the gateway."""

    def __init__(self, mesh: ModelMesh, url: str) -> None:
        self.mesh = mesh
        self.client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0, timeout=30)

    def whole(self):
        try:
            reply = self.client.chat.completions.create(model="chat", messages=MESSAGES)
            return reply.choices[0].message.content, None
        except openai.APIError as error:
            return "", error

    def stream(self):
        said = ""
        try:
            for chunk in self.client.chat.completions.create(model="chat", messages=MESSAGES, stream=True):
                said += "".join(choice.delta.content or "" for choice in chunk.choices)
        except openai.APIError as error:
            return said, error
        return said, None


async def until(condition: Callable[[], Any]) -> None:
    """Returns when ``condition`` holds: what happens in a provider's own thread has no event to wait for."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
