"""Chaos: a configuration of yours against every known fault of a provider, on loopback, with a scorecard.

Your pools, models and settings are kept; in place of your providers stand FaultyProviders, of which the one that your
pool asks first misbehaves. ``modelmesh chaos`` is this on the command line.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any, cast

import attrs

from ..config import MeshConfig
from ..errors import ConfigurationError, ModelMeshError, ProviderError
from ..mesh import ModelMesh
from ..wire.messages import Delivery, Operation
from .faults import FAULTS, Fault, FaultyProvider, answer_to

PROMPT = "Tell me how it went."
OUTAGE_REQUESTS = 40
OUTAGE_CALLS = 10
"""Calls to a provider that is down, out of OUTAGE_REQUESTS requests, that count as a handful."""
SLACK = 2.0
"""Seconds beyond the deadline after which a request counts as hanging."""


@attrs.frozen
class Score:
    """What one fault did to one request."""

    fault: str
    title: str
    delivery: str
    """``whole`` or ``stream``."""
    passed: bool
    seen: str
    """What the caller got."""
    answered_by: str | None
    calls: int
    """To all providers."""
    seconds: float
    why: str = ""
    """What is wrong, if anything is."""


@attrs.frozen
class Rehearsal:
    """What is to be tried: a pool of a configuration, and how patient to be with silence."""

    config: MeshConfig
    pool: str | None = None
    """Its id; by default the first that has chat models."""
    patience: float = 0.5
    """Seconds of silence that stand for your timeouts, which would take too long."""
    deadline: float = 10.0

    def run(self, faults: Iterable[str] = ()) -> Iterator[Score]:
        """One Score for each fault and delivery, as they come; all faults by default.

        Raises KeyError for an unknown fault, ConfigurationError where the pool has nobody to ask.
        """
        chosen = [FAULTS[name] for name in faults] or list(FAULTS.values())
        with ExitStack() as stack:
            stage = _Stage(self, stack)
            for fault in chosen:
                for delivery in ("whole", "stream"):
                    if delivery in fault.applies_to:
                        yield stage.play(fault, delivery)
            if not faults:
                yield stage.outage()


class _Stage:
    """The providers, and the configuration that leads to them."""

    def __init__(self, rehearsal: Rehearsal, stack: ExitStack) -> None:
        self._rehearsal = rehearsal
        self.pool, models = _cast_of(rehearsal)
        names = dict.fromkeys(str(model["provider"]) for model in models.values())
        self.providers = {name: stack.enter_context(FaultyProvider()) for name in names}
        self._document = _document(rehearsal, self.pool, models, self.providers)

    def play(self, fault: Fault, delivery: str) -> Score:
        """One request while the provider that is asked first has ``fault``."""
        with ModelMesh(self._document, environ={}) as mesh:
            first = self._first(mesh)
            others = [name for name in self.providers if name != first]
            with _misbehaving(self.providers[first], fault):
                return self._scored(mesh, fault, delivery, has_others=bool(others))

    def outage(self) -> Score:
        """Many requests while the provider that is asked first is down: all answered, and it is hardly asked."""
        fault = attrs.evolve(FAULTS["http-500"], name="outage", title=f"down for {OUTAGE_REQUESTS} requests")
        with ModelMesh(self._document, environ={}) as mesh:
            first = self._first(mesh)
            has_others = len(self.providers) > 1
            with _misbehaving(self.providers[first], FAULTS["http-500"]):
                started = perf_counter()
                failed = sum(self._asked(mesh, "whole")[1] is not None for _ in range(OUTAGE_REQUESTS))
                calls = len(self.providers[first].requests)
        why = ""
        if calls > OUTAGE_CALLS:
            why = f"the broken provider was asked {calls} times"
        elif failed and has_others:
            why = f"{failed} requests failed"
        seen = f"{OUTAGE_REQUESTS - failed} answers"
        return Score(fault.name, fault.title, "whole", not why, seen, None, calls, perf_counter() - started, why)

    def _first(self, mesh: ModelMesh) -> str:
        for provider in self.providers.values():
            provider.requests.clear()
        decision = mesh.get_router().route(self.pool, {"operation": Operation.CHAT})
        return decision.model.provider

    def _scored(self, mesh: ModelMesh, fault: Fault, delivery: str, *, has_others: bool) -> Score:
        started = perf_counter()
        text, error, record = self._asked(mesh, delivery)
        took = perf_counter() - started
        calls = sum(len(provider.requests) for provider in self.providers.values())
        expected = answer_to(_body(self.pool))
        problems = [
            *_wrong_outcome(fault, text, error, expected, calls, has_others=has_others),
            *self._leftovers(mesh, took),
        ]
        seen = "a whole answer" if error is None and text == expected else _told(text, error)
        answered_by = record.model if record is not None and error is None else None
        return Score(
            fault.name, fault.title, delivery, not problems, seen, answered_by, calls, took, "; ".join(problems)
        )

    def _asked(self, mesh: ModelMesh, delivery: str) -> tuple[str, ModelMeshError | None, Any]:
        """The text that the caller read, the error that ended it if any, and the record."""
        pieces: list[str] = []
        record = None
        chat: Any = mesh.get_client().chat.completions  # its replies are the provider's own dicts
        body: dict[str, Any] = {"model": self.pool, "messages": [{"role": "user", "content": PROMPT}]}
        try:
            if delivery == "whole":
                reply = chat.create(**body)
                return str(reply.choices[0].message.content), None, reply.modelmesh
            stream = chat.create(**body, stream=True)
            record = stream.modelmesh
            pieces.extend(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
        except ModelMeshError as error:
            return "".join(pieces), error, record
        return "".join(pieces), None, record

    def _leftovers(self, mesh: ModelMesh, took: float) -> Iterator[str]:
        if took > self._rehearsal.deadline + SLACK:
            yield f"it took {took:.1f} s, past the deadline"
        if mesh.get_router().in_flight:
            yield "the request still counts as under way"
        for name, provider in self.providers.items():
            if not provider.wait_until_idle(1.0):
                yield f"a call to {name} goes on although nobody waits for it"


def _wrong_outcome(
    fault: Fault, text: str, error: ModelMeshError | None, expected: str, calls: int, *, has_others: bool
) -> Iterator[str]:
    if error is None:
        if text != expected:
            yield "a truncated or altered answer was presented as whole"
        if fault.remedy == "caller":
            yield "the caller should have been told"
        return
    if not expected.startswith(text):
        yield "the text before the error is not the beginning of the answer"
    if fault.remedy == "caller":
        if not isinstance(error, ProviderError) or calls != 1:
            yield "the provider's own error should have come back after one call"
    elif fault.remedy == "same" or has_others:
        yield f"an answer was possible: {error}"


def _told(text: str, error: ModelMeshError | None) -> str:
    if error is None:
        return "another text"
    return f"{type(error).__name__} ({error.status_code})" + (" after a part" if text else "")


@contextmanager
def _misbehaving(provider: FaultyProvider, fault: Fault) -> Generator[None]:
    provider.fault = fault
    try:
        yield
    finally:
        provider.fault = None


def _body(pool: str) -> dict[str, Any]:
    return {"model": pool, "messages": [{"role": "user", "content": PROMPT}]}


def _cast_of(rehearsal: Rehearsal) -> tuple[str, dict[str, dict[str, Any]]]:
    """The pool to try, and its chat models as a configuration has them."""
    with _unkeyed(rehearsal.config) as mesh:
        pools = mesh.engine.pools
        wanted = [rehearsal.pool] if rehearsal.pool else list(pools)
        for name in wanted:
            members = [member.definition for member in pools[name].members.values()] if name in pools else []
            chat = {
                m.id: m for m in members if Operation.CHAT in m.operations and m.delivery.supports(Delivery.STREAMING)
            }
            if chat:
                return name, {identity: _model_entry(model) for identity, model in chat.items()}
    which = f"pool {rehearsal.pool!r}" if rehearsal.pool else "no pool"
    raise ConfigurationError(f"{which} has a chat model: there is nobody to try.")


def _unkeyed(config: MeshConfig) -> ModelMesh:
    """A mesh of the pools of ``config``, with something in place of each secret: nobody real is ever called."""
    raw = {section: value for section, value in config.to_dict().items() if section in _OF_THE_POOLS}
    kept = MeshConfig.from_dict(raw)
    return ModelMesh(kept, environ={reference.name: _PLACEHOLDER for reference in kept.references()})


def _model_entry(model: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "provider": model.provider,
        "upstream_model": model.upstream_model,
        "capabilities": list(model.capabilities),
        "features": sorted(model.features),
    }
    limits = {key: value for key, value in attrs.asdict(model.constraints).items() if value}
    return {**entry, "constraints": limits} if limits else entry


_KEPT_SECTIONS = ("capabilities", "connectors", "plugins")
_OF_THE_POOLS = (*_KEPT_SECTIONS, "providers", "models", "pools")
_PLACEHOLDER = "http://127.0.0.1:9/v1"
"""Can stand for an address as well as for a key."""


def _document(
    rehearsal: Rehearsal,
    pool: str,
    models: Mapping[str, Mapping[str, Any]],
    providers: Mapping[str, FaultyProvider],
) -> dict[str, Any]:
    raw = rehearsal.config.to_dict()
    patience = rehearsal.patience
    timeout = {"connect": max(patience, 1.0), "first_byte": patience, "idle": patience, "total": rehearsal.deadline}
    pools = cast(Mapping[str, Any], raw.get("pools") or {})
    settings = dict(cast(Mapping[str, Any], pools.get(pool) or {}))
    settings |= {"deadline": rehearsal.deadline, "on_exhausted": "error"}
    retry = dict(cast(Mapping[str, Any], settings.get("retry") or {}))
    retry["ttft_timeout"] = min(patience * 2, rehearsal.deadline)
    retry.setdefault("initial_delay", 0.1)
    return {
        **{section: raw[section] for section in _KEPT_SECTIONS if section in raw},
        "providers": {
            name: {
                "connector": "modelmesh.openai-compatible.v1",
                "base_url": provider.base_url,
                "api_key": "chaos",
                "timeout": timeout,
            }
            for name, provider in providers.items()
        },
        "models": {identity: dict(model) for identity, model in models.items()},
        "pools": {pool: {**settings, "retry": retry}},
    }


def run_chaos(config: MeshConfig, *, faults: Sequence[str] = (), **options: Any) -> list[Score]:
    """The whole scorecard at once; ``options`` are the fields of Rehearsal."""
    return list(Rehearsal(config, **options).run(faults))
