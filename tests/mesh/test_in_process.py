"""Providers that answer within the process, through the whole mesh."""

import asyncio

import pytest
from modelmesh_core import (
    AllProvidersExhaustedError,
    CatalogueModel,
    ConnectorRegistry,
    EventKind,
    InProcessProvider,
    ModelMesh,
    ProviderConnector,
    Reply,
    StreamEvent,
    Usage,
)

MESSAGES = [{"role": "user", "content": "Hi"}]


def chunk(text):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


class Thinker(InProcessProvider):
    """Streams its words ``pause`` seconds apart; notes when it is stopped."""

    def __init__(self, words, pause):
        self.words, self.pause, self.stopped = words, pause, asyncio.Event()

    async def execute(self, call):
        if not call.stream:
            await asyncio.sleep(self.pause)
            message = {"role": "assistant", "content": "".join(self.words)}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            return Reply({"choices": choices}, Usage(input=3, output=len(self.words)), "stop")
        return self._events()

    async def _events(self):
        try:
            yield StreamEvent(EventKind.OPENING, {"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
            for word in self.words:
                await asyncio.sleep(self.pause)
                yield StreamEvent(EventKind.CONTENT, chunk(word))
            yield StreamEvent(EventKind.FINISH, chunk(""), finish_reason="stop", usage=Usage(3, len(self.words)))
        finally:
            self.stopped.set()


@pytest.fixture
def mesh_of():
    made = []

    def make(providers, **pool):
        registry = ConnectorRegistry()
        for name, provider in providers.items():
            registry.register(
                ProviderConnector(
                    id=f"test.{name}.v1",
                    create=lambda settings, provider=provider: provider,
                    models=lambda name=name: [CatalogueModel(f"{name}.m", ("chat-completion",))],
                    requires_api_key=False,
                    default_name=name,
                )
            )
        entries = {name: {"connector": f"test.{name}.v1"} for name in providers}
        settings = {"providers": entries, "pools": {"chat": {"capability": "chat-completion", **pool}}}
        made.append(ModelMesh(settings, registry=registry, environ={}))
        return made[-1]

    yield make
    for mesh in made:
        mesh.shutdown()


async def text_of(stream):
    return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])


async def test_whole_and_streamed_answers(mesh_of):
    async with mesh_of({"here": Thinker(["a", "b"], 0.0)}) as mesh:
        create = mesh.get_async_client().chat.completions.create
        assert (await create(model="chat", messages=MESSAGES)).choices[0].message.content == "ab"
        stream = await create(model="chat", messages=MESSAGES, stream=True)
        assert await text_of(stream) == "ab"
        assert stream.modelmesh.attempts[0].usage.output == 2


async def test_a_first_token_that_takes_too_long_goes_to_the_next_model(mesh_of):
    slow, quick = Thinker(["late"], 30), Thinker(["in ", "time"], 0.0)
    async with mesh_of({"slow": slow, "quick": quick}, retry={"ttft_timeout": "50ms"}) as mesh:
        stream = await mesh.get_async_client().chat.completions.create(model="chat", messages=MESSAGES, stream=True)
        assert await text_of(stream) == "in time"
        assert stream.modelmesh.attempts[0].failure.kind.value == "timeout"
        assert slow.stopped.is_set()


async def test_a_caller_who_leaves_stops_the_work(mesh_of):
    provider = Thinker(["one"] * 1000, 0.01)
    async with mesh_of({"here": provider}) as mesh:
        stream = await mesh.get_async_client().chat.completions.create(model="chat", messages=MESSAGES, stream=True)
        await anext(stream)
        await stream.close()
        assert provider.stopped.is_set()
        assert stream.modelmesh.status == "cancelled"
        assert mesh.get_router().in_flight == 0


async def test_cancelling_a_whole_call_settles_and_blames_nobody(mesh_of):
    async with mesh_of({"here": Thinker(["x"], 30)}) as mesh:
        create = mesh.get_async_client().chat.completions.create
        task = asyncio.create_task(create(model="chat", messages=MESSAGES))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        snapshot = mesh.pool_status()["chat"][0]
        assert (snapshot.in_flight, snapshot.consecutive_failures) == (0, 0)
        assert mesh.stats()["model"]["here.m"]["cancelled"] == 1


async def test_the_deadline_holds_for_in_process_work_too(mesh_of):
    async with mesh_of({"here": Thinker(["x"], 30)}) as mesh:
        with pytest.raises(AllProvidersExhaustedError) as caught:
            await mesh.get_async_client().chat.completions.create(model="chat", messages=MESSAGES, timeout=0.05)
        assert caught.value.status_code == 504
