"""Start, reload, restart, shutdown."""

import json
import threading
import time

import pytest
from meshes import ask, chat_models, config, providers
from modelmesh_core import ConfigurationError, ModelMesh, ModelMeshError, SecretNotFoundError
from modelmesh_core.mesh import STEPS
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"


def test_initialization_takes_eleven_steps_in_order(make_mesh):
    mesh = make_mesh(config("a.one"))
    assert [name for name, _ in mesh.startup] == list(STEPS)
    assert all(seconds >= 0 for _, seconds in mesh.startup)


def test_a_failure_names_its_step(make_mesh):
    broken = config("a.one", secrets={"store": "modelmesh.memory-secrets.v1"})
    broken["providers"]["a"]["api_key"] = "${secrets:NOT_THERE}"
    with pytest.raises(SecretNotFoundError, match=r"NOT_THERE.*step 3 of 11, resolve secrets"):
        make_mesh(broken)


def test_using_it_before_it_is_initialized_says_so():
    with pytest.raises(ModelMeshError, match="initialize"):
        ModelMesh(config("a.one")).get_router()


async def test_it_works_inside_an_event_loop(upstream: FakeUpstream):
    upstream.script(A, [answers.chat("async"), answers.stream("a", "b")])
    mesh = ModelMesh(config("a.one"), clock=upstream.clock, make_transport=upstream.make_transport, environ={})
    async with mesh:
        client = mesh.get_async_client()
        messages = [{"role": "user", "content": "Hi"}]
        reply = await client.chat.completions.create(model="chat", messages=messages)
        assert reply.choices[0].message.content == "async"
        upstream.script(A, [answers.stream("a", "b")])
        stream = await client.chat.completions.create(model="chat", messages=messages, stream=True)
        assert "".join([c.choices[0].delta.content or "" async for c in stream if c.choices]) == "ab"
        assert client.usage.requests == 2
        # the synchronous client works beside a running loop, too
        upstream.script(A, [answers.chat("sync")])
        assert ask(mesh).choices[0].message.content == "sync"


@pytest.mark.parametrize("connector", ["modelmesh.sqlite.v1", "modelmesh.local-file.v1"])
def test_state_survives_a_restart(connector, make_mesh, upstream, tmp_path):
    path = str(tmp_path / ("state.db" if "sqlite" in connector else "state"))
    storage = {"connector": connector, "sync_policy": "sync-on-boundary", "path": path}
    upstream.script(A, [answers.error(429, retry_after="3000")])
    upstream.script(B, [answers.chat("b", tokens=(100, 20))])
    first = make_mesh(config("a.one", "b.two", storage=storage))
    ask(first)
    before = {s.model: s for s in first.pool_status()["chat"]}
    first.shutdown()

    second = make_mesh(config("a.one", "b.two", storage=storage))
    after = {s.model: s for s in second.pool_status()["chat"]}
    assert after["a.one"].status.value == "standby"
    assert after["a.one"].until == before["a.one"].until
    assert after["b.two"].used["day"].tokens == 120
    for window in ("day", "month"):
        assert after["b.two"].used[window] == before["b.two"].used[window]
    calls = len(upstream.requests_to(A))
    assert ask(second).modelmesh.model == "b.two"
    assert len(upstream.requests_to(A)) == calls


def test_exported_state_can_be_imported_elsewhere(make_mesh, upstream):
    upstream.script(A, [answers.error(404)])
    upstream.script(B, [answers.chat("b")])
    first = make_mesh(config("a.one", "b.two"))
    ask(first)
    state = json.loads(json.dumps(first.export_state()))
    second = make_mesh(config("a.one", "b.two"))
    second.import_state(state)
    assert [s.status.value for s in second.pool_status()["chat"]] == ["standby", "active"]


def test_a_model_that_was_never_asked_has_no_state(make_mesh, upstream):
    """Ten thousand that nobody asks are to cost little."""
    upstream.script(A, [answers.chat()])
    mesh = make_mesh(config("a.one", "a.two", "a.three"))
    ask(mesh)
    assert set(mesh.export_state()["health"]) == {"a.one"}


def test_reload_swaps_in_one_step_and_keeps_state(make_mesh, upstream):
    upstream.script(A, [answers.error(429, retry_after="3000")])
    upstream.script(B, [answers.chat("b")])
    mesh = make_mesh(config("a.one", "b.two"))
    ask(mesh)
    mesh.reload_config(config("a.one", "b.two", "b.three", pool={"strategy": "round-robin"}))
    status = {s.model: s.status.value for s in mesh.pool_status()["chat"]}
    assert status == {"a.one": "standby", "b.two": "active", "b.three": "active"}
    assert {ask(mesh).modelmesh.model for _ in range(4)} == {"b.two", "b.three"}


def test_a_broken_configuration_changes_nothing_and_says_why(make_mesh, upstream):
    upstream.script(A, [answers.chat("still here")])
    mesh = make_mesh(config("a.one"))
    with pytest.raises(ConfigurationError, match="strateggy"):
        mesh.reload_config(config("a.one", pool={"strateggy": "round-robin"}))
    assert ask(mesh).choices[0].message.content == "still here"


def test_reload_under_load_fails_no_request(make_mesh, upstream):
    upstream.script(A, lambda request: answers.chat("a"))
    upstream.script(B, lambda request: answers.chat("b"))
    mesh = make_mesh(config("a.one"))
    errors: list[BaseException] = []
    done = threading.Event()
    served = [0]

    def load():
        while not done.is_set():
            try:
                ask(mesh)
                served[0] += 1
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        mesh.reload_config(config("a.one") if number % 2 else config("b.two"))
    target = served[0] + 20
    while served[0] < target and not errors:
        time.sleep(0.005)  # real threads are at work
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []


async def test_a_stream_in_flight_finishes_as_it_began(upstream: FakeUpstream):
    import asyncio

    upstream.script(A, [answers.stream("one ", "two ", "three")])
    upstream.script(B, [answers.chat("b")])
    mesh = ModelMesh(config("a.one"), clock=upstream.clock, make_transport=upstream.make_transport, environ={})
    async with mesh:
        client = mesh.get_async_client()
        messages = [{"role": "user", "content": "Hi"}]
        stream = await client.chat.completions.create(model="chat", messages=messages, stream=True)
        heard = [(await anext(stream)).choices[0].delta.content]
        await asyncio.to_thread(mesh.reload_config, config("b.two"))
        reply = await client.chat.completions.create(model="chat", messages=messages)
        assert reply.modelmesh.model == "b.two"
        heard += [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
        assert "".join(word or "" for word in heard) == "one two three"
        assert stream.modelmesh.status == "success"


def test_a_provider_can_be_added_to_a_running_mesh(make_mesh, upstream):
    upstream.script(A, [answers.chat("a")])
    mesh = make_mesh(config("a.one"))
    mesh.add_provider("b", providers("b")["b"])
    assert "b" in mesh.config.providers
    assert ask(mesh).modelmesh.model == "a.one"


def test_without_a_configuration_providers_come_from_the_environment(make_mesh, upstream):
    upstream.script("https://api.openai.com/v1", [answers.chat("openai")])
    mesh = make_mesh(None, environ={"OPENAI_API_KEY": "sk-test-1"})
    reply = ask(mesh, "chat-completion")
    assert reply.modelmesh.provider == "openai"
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-test-1"


def test_two_entries_can_use_one_connector_with_different_keys(make_mesh, upstream):
    upstream.script("https://api.openai.com/v1", [answers.chat("x")])
    entry = {"connector": "openai.llm.v1"}
    mesh = make_mesh({"providers": {"openai": {**entry, "api_key": "one"}, "openai-eu": {**entry, "api_key": "two"}}})
    ask(mesh, "openai.gpt-4.1")
    ask(mesh, "openai-eu.gpt-4.1")
    assert [r.headers["authorization"] for r in upstream.requests] == ["Bearer one", "Bearer two"]
    assert [json.loads(r.body)["model"] for r in upstream.requests] == ["gpt-4.1", "gpt-4.1"]


def test_models_tell_where_each_value_came_from(make_mesh):
    mesh = make_mesh(
        {
            "providers": {"openai": {"connector": "openai.llm.v1", "api_key": "k"}},
            "models": {"openai.gpt-4.1": {"provider": "openai", "pricing": {"input": 1}}},
        }
    )
    model = mesh.engine.models.get_model("openai.gpt-4.1")
    assert model.sources["pricing.input"] == "configuration"
    assert model.sources["pricing.output"].startswith("connector catalogue")
    assert model.pricing.input == 1
    assert model.constraints.context_window > 100_000


def test_statistics_count_by_model_provider_and_pool(make_mesh, upstream):
    upstream.script(A, [answers.error(500), answers.chat("a", tokens=(7, 3))])
    mesh = make_mesh(config("a.one"))
    ask(mesh)
    stats = mesh.stats()
    assert stats["pool"]["chat"]["requests"] == 1
    assert stats["model"]["a.one"]["requests"] == 2
    assert stats["model"]["a.one"]["failed"] == 1
    assert stats["provider"]["a"]["tokens_out"] == 3


def test_the_saved_configuration_loads_again(make_mesh, upstream, tmp_path):
    upstream.script(A, [answers.chat("a")])
    settings = config("a.one")
    settings["providers"]["a"]["api_key"] = "${env:A_KEY}"
    mesh = make_mesh(settings, environ={"A_KEY": "hidden-value"})
    mesh.save_config(tmp_path / "saved.yaml")
    text = (tmp_path / "saved.yaml").read_text()
    assert "hidden-value" not in text
    again = make_mesh(str(tmp_path / "saved.yaml"), environ={"A_KEY": "hidden-value"})
    assert ask(again).modelmesh.model == "a.one"


def test_plugins_of_the_life_cycle_are_called(make_mesh, upstream):
    from modelmesh_core import ConnectorRegistry, hookimpl

    heard = []

    class Watcher:
        @hookimpl
        def mesh_initialized(self, mesh):
            heard.append(("initialized", len(mesh.get_router().list_pools())))

        @hookimpl
        def mesh_shutting_down(self, mesh):
            heard.append(("shutting down", mesh.stats()["pool"]["chat"]["requests"]))

        @hookimpl
        def on_event(self, event):
            heard.append(event.name)

    upstream.script(A, [answers.error(404), answers.chat("a")])
    upstream.script(B, [answers.chat("b")])
    registry = ConnectorRegistry()
    registry.register(Watcher, id="acme.watcher.v1")
    mesh = make_mesh(config("a.one", "b.two", connectors={"plugins": ["acme.watcher.v1"]}), registry=registry)
    ask(mesh)
    mesh.get_observability().emitter.deliver()
    mesh.shutdown()
    assert heard[0] == ("initialized", 2)
    assert "model_deactivated" in heard
    assert ("shutting down", 1) in heard


def test_a_plugin_can_narrow_a_stage_with_a_wrapper_and_a_failing_one_is_named(make_mesh, upstream):
    from modelmesh_core import ConnectorError, ConnectorRegistry, hookimpl

    class NotA:
        @hookimpl(wrapper=True)
        def filter_state(self, context, candidates):
            kept = yield
            return [candidate for candidate in kept if candidate.provider != "a"]

    class Broken:
        @hookimpl
        def select_model(self, context, candidates):
            raise ZeroDivisionError("oh no")

    upstream.script(B, [answers.chat("b")])
    registry = ConnectorRegistry()
    registry.register(NotA, id="acme.not-a.v1")
    registry.register(Broken, id="acme.broken.v1")
    mesh = make_mesh(config("a.one", "b.two", connectors={"plugins": ["acme.not-a.v1"]}), registry=registry)
    assert ask(mesh).modelmesh.model == "b.two"
    assert "filter_state" in str(mesh.explain("chat").dropped[0].reason)

    class Judge:
        @hookimpl
        def evaluate_deactivation(self, snapshot, settings, failed, now):
            raise KeyError("hm")

        @hookimpl
        def plan_retry(self, context, failed, state):
            raise KeyError("hm")

    registry.register(Judge, id="acme.judge.v1")
    upstream.script(A, [answers.error(500)])
    judged = make_mesh(config("a.one", connectors={"plugins": ["acme.judge.v1"]}), registry=registry)
    with pytest.raises(ConnectorError, match=r"acme\.judge\.v1 failed in plan_retry: KeyError"):
        ask(judged)
    broken = make_mesh(config("a.one", pool={"strategy": "acme.broken.v1"}), registry=registry)
    with pytest.raises(ConnectorError, match=r"acme\.broken\.v1 failed in select_model: ZeroDivisionError: oh no"):
        ask(broken)


def test_stages_can_be_inserted_and_removed(make_mesh, upstream):
    from modelmesh_core import Stage

    upstream.script(A, [answers.chat("a")])
    upstream.script(B, [answers.chat("b")])
    mesh = make_mesh(config("a.one", "b.two"))
    pipeline = mesh.get_router().pipeline
    assert ask(mesh).modelmesh.model == "a.one"
    pipeline.add_stage(Stage("only_b", lambda context, c: [x for x in c if x.provider == "b"]), after="filter_delivery")
    assert pipeline.get_stages() == [
        "resolve_capability",
        "select_pool",
        "filter_delivery",
        "only_b",
        "filter_requirements",
        "filter_state",
        "select_model",
    ]
    assert ask(mesh).modelmesh.model == "b.two"
    pipeline.remove_stage("only_b")
    assert mesh.explain("chat").decision.candidates == ("a.one", "b.two")


def test_two_meshes_live_beside_each_other(make_mesh, upstream):
    upstream.script(A, [answers.chat("a")])
    first, second = make_mesh(config("a.one")), make_mesh({"providers": providers("a"), "models": chat_models("a.x")})
    assert ask(first).modelmesh.model == "a.one"
    assert ask(second, "chat-completion").modelmesh.model == "a.x"


def test_a_store_can_be_opened_with_a_passphrase_from_the_environment(make_mesh, upstream, tmp_path):
    import asyncio

    from modelmesh_core import Secret
    from modelmesh_core.builtin.secrets_encrypted_file import EncryptedFileOptions, EncryptedFileSecretStore

    path = str(tmp_path / "vault")
    store = EncryptedFileSecretStore(EncryptedFileOptions(path=path, passphrase=Secret("open sesame")))
    asyncio.run(store.set("A_KEY", Secret("from-the-vault")))
    upstream.script(A, [answers.chat("a")])
    settings = config("a.one")
    settings["providers"]["a"]["api_key"] = "${secrets:A_KEY}"
    settings["secrets"] = {"store": "encrypted-file", "path": path, "passphrase": "${env:PASS}"}
    ask(make_mesh(settings, environ={"PASS": "open sesame"}))
    assert upstream.requests[0].headers["authorization"] == "Bearer from-the-vault"
    with pytest.raises(ModelMeshError, match="passphrase"):
        make_mesh(settings, environ={"PASS": "wrong"})


def test_a_read_only_mesh_sees_saved_state_and_leaves_it_alone(make_mesh, upstream, tmp_path):
    storage = {"connector": "sqlite", "sync_policy": "sync-on-boundary", "path": str(tmp_path / "state.db")}
    upstream.script(A, [answers.error(404), answers.chat("a")])
    upstream.script(B, [answers.chat("b")])
    first = make_mesh(config("a.one", "b.two", storage=storage))
    ask(first)
    first.shutdown()
    looking = make_mesh(config("a.one", "b.two", storage=storage), read_only=True)
    assert looking.pool_status()["chat"][0].status.value == "standby"
    looking.get_router().get_pool("chat").recover("a.one")
    looking.shutdown()
    again = make_mesh(config("a.one", "b.two", storage=storage))
    assert again.pool_status()["chat"][0].status.value == "standby"


def test_immediate_saves_usage_without_waiting_for_an_event(make_mesh, upstream, tmp_path):
    storage = {"connector": "local-file", "sync_policy": "immediate", "path": str(tmp_path / "state")}
    upstream.script(A, [answers.chat("a", tokens=(70, 30))])
    mesh = make_mesh(config("a.one", storage=storage))
    ask(mesh)
    deadline, tokens = time.monotonic() + 5, 0
    while time.monotonic() < deadline and tokens == 0:
        time.sleep(0.05)  # the background loop is at work
        looking = make_mesh(config("a.one", storage=storage), read_only=True)
        used = looking.pool_status()["chat"][0].used
        tokens = used["day"].tokens if used else 0
    assert tokens == 100


def test_the_readmes_fallback_works_when_a_provider_of_many_models_is_down(make_mesh, upstream):
    upstream.script(B, [answers.chat("local")])
    many = [f"a.m{number}" for number in range(10)]
    quota = answers.error(429, code="insufficient_quota", type="insufficient_quota")
    for down in (answers.error(503), answers.reset(), answers.hang(), answers.error(401), quota):
        upstream.script(A, [down])
        mesh = make_mesh(config(*many, "b.x", pool={"strategy": "priority-selection", "provider_priority": ["a"]}))
        assert ask(mesh).modelmesh.model == "b.x"


def test_a_used_up_quota_sends_the_request_to_another_account_and_back_only_if_that_fails(make_mesh, upstream):
    def per_model(request):
        if b'"m0"' in request.body:
            return answers.error(429, code="insufficient_quota", type="insufficient_quota")
        return answers.chat("its sister has quota left")

    upstream.script(A, per_model)
    upstream.script(B, [answers.error(404)])
    mesh = make_mesh(config("a.m0", "a.m1", "b.x"))
    reply = ask(mesh)
    assert [attempt.model for attempt in reply.modelmesh.attempts] == ["a.m0", "b.x", "a.m1"]
