"""Twenty thousand mixed requests against providers that break at random, on a fake clock: nothing is ever half true."""

import asyncio
import gc
import hashlib
import json
from collections import Counter
from random import Random

import pytest
from modelmesh_core import Failure, FailureKind, ModelMesh, ModelMeshError
from modelmesh_core.testing import FakeUpstream, answers

REQUESTS = 20_000
SEED = 20261123
DEADLINE = 120.0
RETRY = {"max_attempts": 2, "max_rotations": 3}
MOST_CALLS = RETRY["max_attempts"] * (RETRY["max_rotations"] + 1)
SSE = {"content-type": "text/event-stream"}
RESET = Failure(FailureKind.CONNECTION, "connection reset")
FAULTS = (
    *[
        lambda: answers.error(500),
        lambda: answers.error(503, retry_after="2"),
        lambda: answers.error(503, retry_after="90"),
    ],
    *[lambda: answers.error(429, code="rate_limit_exceeded"), lambda: answers.error(429, retry_after_ms="1500")],
    *[
        lambda: answers.error(529),
        answers.hang,
        answers.reset,
        lambda: answers.Answer(200, b"<html>"),
    ],
    *[lambda: answers.Answer(200, b'{"choices": ['), lambda: answers.Answer(200, b""), lambda: answers.Answer(302)],
    lambda: answers.Answer(
        200, b'{"error": {"message": "overloaded", "code": 503}}', {"content-type": "application/json"}
    ),
)


def text_for(prompt):
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return " ".join([f"ä☃{digest[at : at + 4]}" for at in range(0, 48, 4)]) + ".\nEnde 🙂"


def vector_for(text):
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]]


def event(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )


class Providers:
    """What the three of them answer: mostly the canonical answer, sometimes one of many faults."""

    def __init__(self, seed):
        self.random = Random(seed)
        self.faults = Counter()
        self.down_until = 0

    def answer(self, request):
        body = json.loads(request.body)
        random = self.random
        if random.random() < 0.1:
            self.faults["instead of an answer"] += 1
            return random.choice(FAULTS)()
        if request.url.endswith("/embeddings"):
            return answers.embeddings(vector_for(body["input"]))
        if body.get("stream"):
            return self.stream(body)
        if body.get("tools"):
            call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": self.arguments(body)}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            return answers.Answer(200, json.dumps({"id": "c", "choices": [choice]}).encode())
        return answers.chat(text_for(body["messages"][0]["content"]))

    @staticmethod
    def arguments(body):
        return json.dumps({"of": text_for(body["messages"][0]["content"])})

    def stream(self, body):
        random = self.random
        last = body["messages"][-1]
        begun = last["content"] if last["role"] == "assistant" else ""
        if body.get("tools"):
            pieces = [{"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]}]
            rest = self.arguments(body)
            pieces += [
                {"tool_calls": [{"index": 0, "function": {"arguments": rest[at : at + 7]}}]}
                for at in range(0, len(rest), 7)
            ]
        else:
            rest = text_for(body["messages"][0]["content"])[len(begun) :]
            size = random.randint(1, 9)
            pieces = [{"content": rest[at : at + size]} for at in range(0, len(rest), size)]
        events = [event({"role": "assistant"}), *map(event, pieces)]
        end = [event({}, "tool_calls" if body.get("tools") else "stop"), b"data: [DONE]\n\n"]
        kind = random.random()
        if kind < 0.75:
            return answers.Answer(200, headers=SSE, chunks=self.cut(events + end))
        self.faults["in the stream"] += 1
        at = random.randint(0, len(events))
        if kind < 0.82:
            return answers.Answer(200, headers=SSE, chunks=self.cut(events[:at]), failure=random.choice([None, RESET]))
        if kind < 0.86:
            error = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
            return answers.Answer(200, headers=SSE, chunks=self.cut([*events[:at], error]))
        if kind < 0.89:
            return answers.Answer(
                200, headers=SSE, chunks=self.cut([*events[:at], b"data: {oops\n\n", *events[at:], *end])
            )
        if kind < 0.92:
            return answers.Answer(200, headers=SSE, chunks=self.cut([*events[:at], b"data: [DONE]\n\n"]))
        if kind < 0.95:
            return answers.Answer(
                200, headers=SSE, chunks=self.cut([*events, end[0]]), failure=random.choice([None, RESET])
            )
        if kind < 0.98:
            half = b"".join(events)[: random.randint(0, sum(map(len, events)))]
            return answers.Answer(200, headers=SSE, chunks=self.cut([half]))
        return answers.Answer(200, headers=SSE, chunks=[*events[:at], end[1]])

    def cut(self, events):
        """The same bytes in pieces that know nothing of events."""
        data, at, pieces = b"".join(events), 0, []
        while at < len(data):
            size = self.random.choice((7, 31, 400, 4000))
            pieces.append(data[at : at + size])
            at += size
        return pieces


def configuration():
    names = ("a", "b", "c")
    chat, vectors = ["chat-completion"], ["text-embeddings"]
    pool = {"retry": RETRY, "deadline": DEADLINE, "recovery": {"cooldown": "10s", "max_cooldown": "30s"}}
    return {
        "providers": {
            name: {
                "connector": "modelmesh.openai-compatible.v1",
                "base_url": f"https://{name}.test/v1",
                "timeout": {"first_byte": "10s"},
            }
            for name in names
        },
        "models": {
            **{f"{name}.chat": {"provider": name, "capabilities": chat, "features": ["tool_calling"]} for name in "ab"},
            "c.chat": {"provider": "c", "capabilities": chat, "features": ["tool_calling", "prefill"]},
            **{f"{name}.vectors": {"provider": name, "capabilities": vectors} for name in names},
        },
        "pools": {
            "chat": {"capability": "chat-completion", "strategy": "modelmesh.round-robin.v1", **pool},
            "embeddings": {"capability": "text-embeddings", **pool},
        },
    }


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Caller:
    """Sends one request after another, and believes nothing."""

    def __init__(self, mesh, upstream):
        self.mesh = mesh
        self.upstream = upstream
        self.client = mesh.get_async_client()
        self.outcomes = Counter()

    async def send(self, number, random):
        kind = random.choice(("chat", "chat", "stream", "stream", "tools", "streamed tools", "embeddings"))
        prompt = f"question {number}"
        started = self.upstream.clock.monotonic()
        self.upstream.requests.clear()
        try:
            outcome = await getattr(self, kind.replace(" ", "_"))(prompt)
        except ModelMeshError as error:
            outcome = f"error {error.status_code}"
        self.outcomes[kind, outcome] += 1
        took = self.upstream.clock.monotonic() - started
        assert took <= DEADLINE + 10, f"request {number} ({kind}) took {took} s"
        assert len(self.upstream.requests) <= MOST_CALLS, f"request {number} ({kind})"
        assert self.mesh.get_router().in_flight == 0
        assert self.upstream.open_streams == 0, f"request {number} ({kind}) left a stream open"

    def ask(self, prompt, **more):
        return self.client.chat.completions.create(model="chat", messages=[{"role": "user", "content": prompt}], **more)

    async def chat(self, prompt):
        reply = await self.ask(prompt)
        assert reply.choices[0].message.content == text_for(prompt)
        return "whole"

    async def tools(self, prompt):
        reply = await self.ask(prompt, tools=[TOOL])
        (call,) = reply.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"of": text_for(prompt)}
        return "whole"

    async def stream(self, prompt):
        said = ""
        stream = await self.ask(prompt, stream=True)
        try:
            async for chunk in stream:
                said += "".join(choice.delta.content or "" for choice in chunk.choices)
                finish = [choice.finish_reason for choice in chunk.choices if choice.finish_reason]
        except ModelMeshError:
            assert text_for(prompt).startswith(said)
            return "broken, and said so"
        assert (said, finish) == (text_for(prompt), ["stop"])
        assert stream.modelmesh.answered_by.status == "success"
        return "taken up" if stream.modelmesh.attempts[0].first_byte and stream.modelmesh.rotations else "whole"

    async def streamed_tools(self, prompt):
        arguments = ""
        try:
            async for chunk in await self.ask(prompt, stream=True, tools=[TOOL]):
                for choice in chunk.choices:
                    for call in choice.delta.tool_calls or []:
                        arguments += call.function.arguments or ""
        except ModelMeshError:
            assert json.dumps({"of": text_for(prompt)}).startswith(arguments)
            return "broken, and said so"
        assert json.loads(arguments) == {"of": text_for(prompt)}
        return "whole"

    async def embeddings(self, prompt):
        reply = await self.client.embeddings.create(model="embeddings", input=prompt)
        assert reply.data[0].embedding == vector_for(prompt)
        return "whole"


async def run(requests):
    providers, upstream, random = Providers(SEED), FakeUpstream(), Random(SEED)
    for name in "abc":
        upstream.script(f"https://{name}.test/v1", providers.answer)
    mesh = ModelMesh(
        configuration(), clock=upstream.clock, make_transport=upstream.make_transport, environ={}, random=Random(1)
    )
    async with mesh:
        caller = Caller(mesh, upstream)
        sizes = []
        for number in range(requests):
            upstream.clock.advance(random.choice((0.01, 0.1, 1.0, 5.0)))
            await caller.send(number, random)
            if number in (requests // 2, requests - 1):
                gc.collect()
                sizes.append(len(gc.get_objects()))
        tasks = len(asyncio.all_tasks())
        in_flight = [snapshot.in_flight for pool in mesh.pool_status().values() for snapshot in pool]
    return caller.outcomes, providers.faults, sizes, tasks, in_flight


@pytest.mark.anyio
async def test_every_request_of_a_long_random_siege_ends_whole_or_with_a_reason():
    outcomes, faults, sizes, tasks, in_flight = await run(REQUESTS)
    assert sum(outcomes.values()) == REQUESTS
    assert faults["in the stream"] > 1000
    assert faults["instead of an answer"] > 1500
    good = sum(count for (_, outcome), count in outcomes.items() if outcome in ("whole", "taken up"))
    assert good > 0.9 * REQUESTS, outcomes
    assert outcomes["stream", "taken up"] > 300, outcomes
    assert set(in_flight) == {0}
    assert tasks < 10
    assert sizes[1] < sizes[0] * 1.02 + 500, "nothing is kept over the second half"
