"""What was found for one kind of request serves the next of its kind, and never another."""

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from meshes import ask, chat_models, config, providers
from modelmesh_core import (
    Candidate,
    ConnectorRegistry,
    KeyLimits,
    ModelMesh,
    NoActiveModelError,
    Operation,
    PermissionDeniedError,
    Request,
    RoutingContext,
    hookimpl,
)
from modelmesh_core.testing import answers

A, B = "https://a.test/v1", "https://b.test/v1"
PICTURE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
KINDS: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": "Hi"}]},
    "a picture": {"messages": [PICTURE]},
    "a long text": {"messages": [{"role": "user", "content": "word " * 200}]},
    "a long answer": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50},
    "tools": {"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "function"}]},
}


def unlike() -> dict[str, Any]:
    settings = config("a.one", "b.two", "c.three", "d.four")
    settings["models"]["a.one"]["features"] = {"vision": False}
    settings["models"]["b.two"]["constraints"] = {"context_window": 100}
    settings["models"]["c.three"]["constraints"] = {"max_output_tokens": 10}
    settings["models"]["d.four"]["features"] = {"tool_calling": False}
    return settings


def decided(mesh: ModelMesh, body: dict[str, Any], model: str = "chat") -> tuple[Any, ...]:
    """Who was left, and who was dropped and why: as a request finds it, which is what ``explain`` works out anew."""
    found = mesh.get_router().route(model, {"body": body, "operation": "chat"})
    explained = mesh.explain(Request(Operation.CHAT, model, body)).decision
    assert (found.pools, found.pool, found.model, found.candidates, found.drops) == (
        explained.pools,
        explained.pool,
        explained.model,
        explained.candidates,
        explained.drops,
    )
    return found.candidates


def test_requests_of_many_kinds_do_not_take_each_others(make_mesh):
    mesh = make_mesh(unlike())
    first = {kind: decided(mesh, body) for kind, body in KINDS.items()}
    assert first == {
        "text": ("a.one", "b.two", "c.three", "d.four"),
        "a picture": ("c.three", "d.four"),  # it counts as 800 tokens
        "a long text": ("a.one", "c.three", "d.four"),
        "a long answer": ("a.one", "b.two", "d.four"),
        "tools": ("a.one", "b.two", "c.three"),
    }
    for _ in range(2):
        for kind, body in reversed(KINDS.items()):
            assert decided(mesh, body) == first[kind]


def test_a_pool_whose_models_have_gone_is_not_kept(make_mesh):
    settings = {"providers": providers("a", "b"), "models": chat_models("a.one", "b.two")}
    settings["pools"] = {"chat": {"models": ["a.one"]}, "text-generation": {"models": ["b.two"]}}
    mesh = make_mesh(settings)
    pool = mesh.get_router().get_pool("text-generation")
    assert decided(mesh, KINDS["text"], "text-generation") == ("b.two",)
    one = mesh.get_router().get_pool("chat").members["a.one"].definition
    pool.add_model(one)
    assert decided(mesh, KINDS["text"], "text-generation") == ("b.two", "a.one")
    pool.remove_model("b.two")
    assert decided(mesh, KINDS["text"], "text-generation") == ("a.one",)
    pool.remove_model("a.one")
    with pytest.raises(NoActiveModelError, match="have no members"):
        mesh.get_router().route("text-generation")


def test_a_model_on_standby_is_left_out_and_comes_back(make_mesh, upstream):
    mesh = make_mesh(config("a.one", "b.two"))
    pool = mesh.get_router().get_pool("chat")
    assert decided(mesh, KINDS["text"]) == ("a.one", "b.two")
    pool.deactivate("a.one", "for a while")
    assert decided(mesh, KINDS["text"]) == ("b.two",)
    pool.deactivate("b.two")
    with pytest.raises(NoActiveModelError, match=r"standby \(manual\).*standby \(manual\)"):
        mesh.get_router().route("chat")
    pool.recover("a.one")
    assert decided(mesh, KINDS["text"]) == ("a.one",)


def test_an_exhausted_pool_passes_on_as_before(make_mesh, upstream):
    settings = {"providers": providers("a", "b"), "models": chat_models("a.one", "b.two")}
    settings["pools"] = {
        "first": {"capability": "chat-completion", "providers": ["a"]},
        "second": {"capability": "chat-completion", "providers": ["b"]},
    }
    mesh = make_mesh(settings)
    name = "generation.text-generation.chat-completion"
    assert decided(mesh, KINDS["text"], name) == ("a.one",)
    mesh.get_router().get_pool("first").deactivate("a.one")
    for _ in range(2):
        assert decided(mesh, KINDS["text"], name) == ("b.two",)
    mesh.get_router().get_pool("first").recover("a.one")
    assert decided(mesh, KINDS["text"], name) == ("a.one",)


async def test_keys_do_not_take_each_others(make_mesh, upstream):
    for url in (A, B):
        upstream.script(url, [answers.chat(url)])
    mesh = make_mesh(config("a.one", "b.two"))
    limits = {"a": KeyLimits(models=("a.*",)), "b": KeyLimits(models=("b.*",)), "all": KeyLimits()}
    limits["nobody"] = KeyLimits(pools=frozenset({"other"}))

    async def model(key: str) -> str | None:
        request = Request(Operation.CHAT, "chat", KINDS["text"], key=key, key_limits=limits[key])
        return (await mesh.get_router().complete(request)).record.model

    for _ in range(2):
        assert [await model(key) for key in ("all", "b", "a", "all")] == ["a.one", "b.two", "a.one", "a.one"]
        with pytest.raises(PermissionDeniedError):
            await model("nobody")


class Moody:
    """Keeps only the last of the candidates at every second request, in the stage that it has."""

    def __init__(self) -> None:
        self.asked = 0

    def judge(self, candidates: Sequence[Any]) -> Sequence[Any]:
        self.asked += 1
        return candidates if self.asked % 2 else candidates[-1:]


class MoodyFilter(Moody):
    @hookimpl
    def filter_requirements(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return self.judge(candidates)


class MoodyDelivery(Moody):
    @hookimpl
    def filter_delivery(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return self.judge(candidates)


class MoodyResolver(Moody):
    @hookimpl
    def resolve_capability(self, context: RoutingContext, name: str) -> Sequence[str]:
        return self.judge(["first", "second"])


class MoodySelection(Moody):
    @hookimpl
    def select_pool(self, context: RoutingContext, pools: Sequence[str]) -> str:
        return str(self.judge(["first", "second"])[0])


@pytest.mark.parametrize("plugin", [MoodyFilter, MoodyDelivery, MoodyResolver, MoodySelection])
def test_a_plugins_stage_is_asked_for_every_request(plugin: type[Moody], make_mesh, upstream):
    for url in (A, B):
        upstream.script(url, [answers.chat(url)])
    moody, registry = plugin(), ConnectorRegistry()
    registry.register(moody, id="acme.moody.v1")
    settings = config("a.one", "b.two", connectors={"plugins": ["acme.moody.v1"]})
    if plugin in (MoodyResolver, MoodySelection):
        settings["pools"] = {"first": {"models": ["a.one"]}, "second": {"models": ["b.two"]}}
    mesh = make_mesh(settings, registry=registry)
    asked = [ask(mesh, "first" if "first" in settings["pools"] else "chat").modelmesh.model for _ in range(6)]
    assert moody.asked == 6
    # The strategy stays with the model that answered last, as long as it is among the candidates.
    assert asked[:2] == ["a.one", "b.two"]


def test_a_model_that_changes_is_looked_at_anew(make_mesh):
    mesh = make_mesh(config("a.one", "b.two"))
    assert decided(mesh, KINDS["a picture"]) == ("a.one", "b.two")
    models = mesh.engine.models
    blind = attrs.evolve(models.find("a.one"), missing_features=frozenset({"vision"}))
    models.register(blind)
    assert decided(mesh, KINDS["a picture"]) == ("b.two",)
    models.unregister("b.two")
    models.register(attrs.evolve(blind, id="a.three", missing_features=frozenset()))
    assert decided(mesh, KINDS["a picture"]) == ("a.three",)
