"""A key that changes in its store reaches the running provider: in the background, or when the old one is refused."""

import asyncio
import time

import pytest
from meshes import ask, config
from modelmesh_core import AllProvidersExhaustedError, ModelMeshError, Secret, SecretStore, SecretStoreConnector
from modelmesh_core.registry import ConnectorRegistry
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"


class Store(SecretStore):
    """A store whose values the test changes, and which counts what it is asked."""

    def __init__(self, **values):
        self.values = values
        self.asked = []
        self.error = None
        self.hold = None
        self.closed = False

    async def get(self, name):
        self.asked.append(name)
        if self.hold is not None:
            await asyncio.sleep(self.hold)
        if self.error is not None:
            raise self.error
        value = self.values.get(name)
        return Secret(value) if value is not None else None

    async def close(self):
        self.closed = True


@pytest.fixture
def store():
    return Store(KEY="old-key")


@pytest.fixture
def rotating(make_mesh, store):
    """A mesh with two providers; the key of the first one, and a header, come from ``store``."""

    def make(*models, secrets=None, pool=None, **provider):
        settings = config(*(models or ("a.one", "b.two")), pool=pool)
        settings["providers"]["a"].update({"api_key": "${secrets:KEY}", **provider})
        settings["secrets"] = {"store": "acme.rotating.v1", **(secrets or {})}
        registry = ConnectorRegistry()
        registry.register(SecretStoreConnector("acme.rotating.v1", lambda options: store))
        return make_mesh(settings, registry=registry)

    return make


def only(*keys, header="authorization", prefix="Bearer ", answer=None):
    """A provider that lets in who shows one of ``keys``."""

    def respond(request):
        if request.headers.get(header) in {prefix + key for key in keys}:
            return answer or answers.chat("from a")
        return answers.error(401, "Incorrect API key provided")

    return respond


def wait_until(is_true):
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def keys_shown(upstream, base=A):
    return [request.headers["authorization"].removeprefix("Bearer ") for request in upstream.requests_to(base)]


# --- after a refusal -------------------------------------------------------------------------------------------------


def test_a_refused_key_that_has_changed_is_replaced_and_the_same_provider_answers(rotating, store, upstream):
    upstream.script(A, only("new-key"))
    mesh = rotating()
    store.values["KEY"] = "new-key"
    reply = ask(mesh)
    assert reply.choices[0].message.content == "from a"
    assert keys_shown(upstream) == ["old-key", "new-key"]
    assert mesh.engine.providers["a"].is_available()
    assert [snapshot.status.value for snapshot in mesh.pool_status()["chat"]] == ["active", "active"]
    ask(mesh)
    assert keys_shown(upstream)[2:] == ["new-key"]


def test_a_refused_key_that_has_not_changed_puts_the_provider_on_standby(rotating, store, upstream):
    upstream.script(A, only("another"))
    upstream.script(B, [answers.chat("from b")])
    mesh = rotating()
    before = len(store.asked)
    assert ask(mesh).choices[0].message.content == "from b"
    assert store.asked[before:] == ["KEY"], "the store is asked once more"
    assert keys_shown(upstream) == ["old-key"], "and the provider is not, for the key is the same"
    assert mesh.pool_status()["chat"][0].status.value == "standby"


def test_a_new_key_that_is_refused_too_is_not_tried_a_third_time(rotating, store, upstream):
    upstream.script(A, only("the-right-one"))
    upstream.script(B, [answers.chat("from b")])
    mesh = rotating()
    store.values["KEY"] = "also-wrong"
    assert ask(mesh).choices[0].message.content == "from b"
    assert keys_shown(upstream) == ["old-key", "also-wrong"]


def test_a_stream_is_opened_with_the_new_key(rotating, store, upstream):
    upstream.script(A, only("new-key", answer=answers.stream("from ", "a")))
    mesh = rotating()
    store.values["KEY"] = "new-key"
    chunks = list(ask(mesh, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "from a"
    assert keys_shown(upstream) == ["old-key", "new-key"]
    assert upstream.open_streams == 0


def test_a_header_that_is_a_secret_is_renewed_too(rotating, store, upstream):
    store.values["TEAM"] = "old-team"
    upstream.script(A, only("new-team", header="x-team", prefix=""))
    mesh = rotating(headers={"x-team": "${secrets:TEAM}"})
    store.values["TEAM"] = "new-team"
    assert ask(mesh).choices[0].message.content == "from a"


@pytest.mark.parametrize("trouble", ["the store is down", "the secret is gone"])
def test_trouble_with_the_store_leaves_the_refusal_as_it_was(trouble, rotating, store, upstream):
    upstream.script(A, only("another"))
    mesh = rotating("a.one")
    if trouble == "the store is down":
        store.error = ModelMeshError("the store is down.")
    else:
        del store.values["KEY"]
    with pytest.raises(AllProvidersExhaustedError, match="Incorrect API key") as caught:
        ask(mesh)
    assert "old-key" not in str(caught.value)
    assert keys_shown(upstream) == ["old-key"]


def test_many_that_are_refused_at_once_ask_the_store_once(rotating, store, upstream):
    upstream.script(A, only("new-key"))
    mesh = rotating("a.one")
    store.values["KEY"], store.hold = "new-key", 0.05
    before = len(store.asked)

    async def all_at_once():
        client = mesh.get_async_client()
        asking = (
            client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}])
            for _ in range(20)
        )
        return await asyncio.gather(*asking)

    replies = asyncio.run(all_at_once())
    assert {reply.choices[0].message.content for reply in replies} == {"from a"}
    assert len(store.asked) == before + 1


def test_reload_on_rotation_can_be_switched_off(rotating, store, upstream):
    upstream.script(A, only("new-key"))
    mesh = rotating("a.one", secrets={"reload_on_rotation": False, "cache_ttl": "1s"})
    store.values["KEY"] = "new-key"
    upstream.clock.advance(2)
    time.sleep(0.7)
    with pytest.raises(AllProvidersExhaustedError):
        ask(mesh)
    assert store.asked == ["KEY"]


# --- in the background -----------------------------------------------------------------------------------------------


def test_a_changed_key_is_picked_up_after_cache_ttl_without_a_refusal(rotating, store, upstream):
    upstream.script(A, only("old-key", "new-key"))
    mesh = rotating("a.one", secrets={"cache_ttl": "10m"})
    ask(mesh)
    store.values["KEY"] = "new-key"
    upstream.clock.advance(599)
    time.sleep(0.7)
    ask(mesh)
    provider = mesh.engine.providers["a"].provider
    upstream.clock.advance(2)
    wait_until(lambda: mesh.engine.providers["a"].provider is not provider)
    ask(mesh)
    assert keys_shown(upstream) == ["old-key", "old-key", "new-key"]


def test_a_key_that_has_not_changed_leaves_the_provider_as_it_is(rotating, store, upstream):
    mesh = rotating("a.one")
    provider, asked = mesh.engine.providers["a"].provider, len(store.asked)
    upstream.clock.advance(301)
    wait_until(lambda: len(store.asked) > asked)
    time.sleep(0.05)
    assert mesh.engine.providers["a"].provider is provider


def test_a_provider_on_standby_for_its_key_is_back_when_the_key_changes(rotating, store, upstream):
    upstream.script(A, only("new-key"))
    upstream.script(B, [answers.chat("from b")])
    mesh = rotating(pool={"provider_recovery": []})
    ask(mesh)
    assert mesh.pool_status()["chat"][0].status.value == "standby"
    store.values["KEY"] = "new-key"
    upstream.clock.advance(301)
    wait_until(mesh.engine.providers["a"].is_available)
    assert mesh.pool_status()["chat"][0].status.value == "active"
    assert mesh.engine.providers["a"].is_available()


def test_a_reload_closes_the_old_stores_and_goes_on_watching_the_new(rotating, store, upstream):
    upstream.script(A, only("new-key"))
    mesh = rotating("a.one")
    mesh.reload_config()
    wait_until(lambda: store.closed)
    store.values["KEY"] = "new-key"
    assert ask(mesh).choices[0].message.content == "from a"


def test_a_renewed_key_is_not_shown_either(rotating, store, upstream: FakeUpstream, caplog):
    upstream.script(A, only("new-5EC4E7"))
    store.values["KEY"] = "old-5EC4E7"
    caplog.set_level("DEBUG")
    mesh = rotating("a.one")
    store.values["KEY"] = "new-5EC4E7"
    ask(mesh)
    said = caplog.text + repr(mesh.engine) + repr(vars(mesh.engine.providers["a"])) + repr(mesh.config)
    assert "its secrets have changed" in said
    assert "5EC4E7" not in said
