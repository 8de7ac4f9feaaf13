"""Every extension point of ModelMesh, on one page.

A plugin is a module or a class with functions marked ``@hookimpl``, offered by its distribution under the entry-point
group ``modelmesh.connectors``; the entry's name is ``KIND.ID``::

    [project.entry-points."modelmesh.connectors"]
    "rotation.acme.cheapest.v1" = "acme_modelmesh.cheapest"
    "provider.acme.chat.v1" = "acme_modelmesh.provider"

Nothing is imported until the configuration names its id. Hooks are synchronous: they decide or they register. What
waits on a socket or a disk (provider, storage, secret store, sink) is an interface that hooks hand over.

In the examples below, every name comes from ``modelmesh_core``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pluggy

from .interfaces.discovery import DiscoveryConnector
from .interfaces.observability import Event, ObservabilityConnector
from .interfaces.provider import ProviderConnector
from .interfaces.routing import (
    AttemptState,
    Candidate,
    Deactivation,
    FailedAttempt,
    ModelSnapshot,
    RetryPlan,
    RoutingContext,
    hookimpl,
)
from .interfaces.secret_store import SecretStoreConnector
from .interfaces.storage import StorageConnector
from .settings import PoolSettings

if TYPE_CHECKING:
    from .mesh import ModelMesh

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "modelmesh"
hookspec = pluggy.HookspecMarker(PROJECT)


# --- Connectors: asked once, when the configuration names the id -----------------------------------------------------


@hookspec
def provider_connectors() -> Iterable[ProviderConnector]:  # pyright: ignore[reportReturnType]
    """Yield the provider connectors of this plugin.

    Called when the configuration names one of its ids under ``providers.<name>.connector``.

    Example::

        from modelmesh_core import OpenAICompatible, ProviderConnector, hookimpl

        @hookimpl
        def provider_connectors():
            yield ProviderConnector(
                id="acme.chat.v1",
                create=OpenAICompatible,
                default_base_url="https://api.acme.example/v1",
            )
    """


@hookspec
def storage_connectors() -> Iterable[StorageConnector]:  # pyright: ignore[reportReturnType]
    """Yield the storage connectors of this plugin.

    Called when ``storage.connector`` names one of its ids. ``create`` gets the validated options.

    Example::

        from modelmesh_core import StorageConnector, hookimpl
        from modelmesh_core.testing import DictStorage

        @hookimpl
        def storage_connectors():
            yield StorageConnector(id="acme.dict.v1", create=lambda options: DictStorage())
    """


@hookspec
def secret_store_connectors() -> Iterable[SecretStoreConnector]:  # pyright: ignore[reportReturnType]
    """Yield the secret stores of this plugin.

    Called when ``secrets.store`` names one of its ids. Several stores are asked in the configured order.

    Example::

        from modelmesh_core import Secret, SecretStore, SecretStoreConnector, hookimpl

        class Vault(SecretStore):
            async def get(self, name):
                return Secret("from the vault") if name == "ACME_KEY" else None

        @hookimpl
        def secret_store_connectors():
            yield SecretStoreConnector(id="acme.vault.v1", create=lambda options: Vault())
    """


@hookspec
def observability_connectors() -> Iterable[ObservabilityConnector]:  # pyright: ignore[reportReturnType]
    """Yield the observability connectors of this plugin.

    Called when a section of ``observability`` names one of its ids. The sink is fed from a bounded queue in the
    background and can neither slow nor fail a request.

    Example::

        from modelmesh_core import ObservabilityConnector, ObservabilitySink, hookimpl

        class Printer(ObservabilitySink):
            async def write(self, entries):
                for entry in entries:
                    print(entry["type"])

        @hookimpl
        def observability_connectors():
            yield ObservabilityConnector(id="acme.printer.v1", create=lambda options: Printer())
    """


@hookspec
def discovery_connectors() -> Iterable[DiscoveryConnector]:  # pyright: ignore[reportReturnType]
    """Yield the discovery services of this plugin.

    Called when a section of ``discovery`` names one of its ids.

    Example::

        import asyncio
        from modelmesh_core import DiscoveryConnector, DiscoveryService, hookimpl

        class Watcher(DiscoveryService):
            async def run(self):
                await asyncio.Event().wait()

        @hookimpl
        def discovery_connectors():
            yield DiscoveryConnector(id="acme.watcher.v1", create=lambda options, mesh: Watcher())
    """


# A rotation connector needs no record: its entry point names a plugin that implements any of the hooks below, and
# ``pools.<id>.strategy``, ``.selector`` or ``connectors.plugins`` names its id.

# --- Pipeline stages: called for each attempt, in this order ---------------------------------------------------------


@hookspec(firstresult=True)
def resolve_capability(context: RoutingContext, name: str) -> Sequence[str] | None:
    """Name the pools that serve ``name``, best first.

    Called once per attempt with what the caller put in ``model``. Return pool ids, or None to leave the name to the
    next plugin. The core resolves pools, capabilities, aliases and pinned models.

    Example: an alias of your own::

        @hookimpl
        def resolve_capability(context, name):
            return ["text-generation"] if name == "our-default" else None
    """


@hookspec(firstresult=True)
def select_pool(context: RoutingContext, pools: Sequence[str]) -> str | None:
    """Choose one of the resolved pools.

    Called with at least one pool id, and again with what is left when the chosen one has no eligible candidate.
    Return one of ``pools``, or None to leave the choice to the next plugin. The core takes the first.

    Example: interactive traffic first::

        @hookimpl
        def select_pool(context, pools):
            return "interactive" if context.request.session_id and "interactive" in pools else None
    """


@hookspec(firstresult=True)
def filter_delivery(context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate] | None:
    """Keep the candidates that can deliver as asked: synchronous, streaming or batch.

    Return the kept ones in order (calling ``context.drop`` for the others), or None to leave it to the next plugin.

    Example: this model's streaming is broken today::

        @hookimpl(wrapper=True)
        def filter_delivery(context, candidates):
            kept = yield
            streaming = context.request.delivery == "streaming"
            return [c for c in kept if not (streaming and c.id == "acme.large")]
    """


@hookspec(firstresult=True)
def filter_requirements(context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate] | None:
    """Keep the candidates that can do what the request needs: features, context and output length, languages.

    Return the kept ones in order (calling ``context.drop`` for the others), or None to leave it to the next plugin.

    Example: data of this tenant stays in the house::

        @hookimpl(wrapper=True)
        def filter_requirements(context, candidates):
            kept = yield
            if context.request.metadata.get("tenant") != "bank":
                return kept
            return [c for c in kept if c.provider == "local"]
    """


@hookspec(firstresult=True)
def filter_state(context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate] | None:
    """Drop models on standby and models of deactivated providers.

    Return the kept ones in order (calling ``context.drop`` for the others), or None to leave it to the next plugin.

    Example: leave busy models alone::

        @hookimpl(wrapper=True)
        def filter_state(context, candidates):
            kept = yield
            return [c for c in kept if c.snapshot.in_flight < 50] or kept
    """


@hookspec(firstresult=True)
def select_model(context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate | None:
    """Choose the model for this attempt.

    Called once per attempt with at least one candidate, all of them active and able to serve the request.
    Return the chosen candidate, or None to leave the choice to the next plugin. Must not block or do I/O.

    Example: always the cheapest::

        @hookimpl
        def select_model(context, candidates):
            return min(candidates, key=lambda c: c.estimated_cost)
    """


@hookspec(firstresult=True)
def score_model(context: RoutingContext, candidate: Candidate) -> float | None:
    """Score one candidate for a pool whose ``selector`` names this plugin; the highest wins, ties go to pool order.

    Example: newest failures last::

        @hookimpl
        def score_model(context, candidate):
            return context.now - (candidate.snapshot.last_failure or 0.0)
    """


# --- After an attempt ------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def plan_retry(context: RoutingContext, failed: FailedAttempt, state: AttemptState) -> RetryPlan | None:
    """Say what follows a failed attempt: the same model after a delay, another model, or giving up.

    Called once per failed attempt. Return None to leave it to the next plugin. The core then bounds the answer: it
    never passes the deadline, ``max_attempts`` or ``max_rotations``.

    Example: never ask this provider twice::

        @hookimpl
        def plan_retry(context, failed, state):
            if failed.provider == "acme":
                return RetryPlan(RetryAction.ROTATE, "acme is asked once")
    """


@hookspec(firstresult=True)
def evaluate_deactivation(
    snapshot: ModelSnapshot, settings: PoolSettings, failed: FailedAttempt | None, now: float
) -> Deactivation | None:
    """Say whether a model goes on standby in a pool.

    Called after each attempt, with the failure if it failed. Return None to leave it to the next plugin; the core
    judges by ``pools.<id>.deactivation``.

    Example: a slow model rests for a minute::

        @hookimpl
        def evaluate_deactivation(snapshot, settings, failed, now):
            if (snapshot.latency_p95 or 0) > 30:
                return Deactivation(Reason.ERROR, until=now + 60, detail="p95 above 30 s")
    """


@hookspec(firstresult=True)
def evaluate_recovery(snapshot: ModelSnapshot, settings: PoolSettings, now: float) -> bool | None:
    """Say whether a model on standby whose deadline has passed may come back.

    Called when a request meets such a model. Return False to keep it on standby, None to leave it to the core,
    which lets it come back (after an error: half-open, with one probe).

    Example: not before the working day::

        @hookimpl
        def evaluate_recovery(snapshot, settings, now):
            return False if (now // 3600) % 24 < 8 else None
    """


# --- Life cycle ------------------------------------------------------------------------------------------------------


@hookspec
def mesh_initialized(mesh: ModelMesh) -> None:
    """Called once, after the last step of initialization.

    Example::

        @hookimpl
        def mesh_initialized(mesh):
            print([pool.id for pool in mesh.get_router().list_pools()])
    """


@hookspec
def mesh_shutting_down(mesh: ModelMesh) -> None:
    """Called once, before the first thing is closed.

    Example::

        @hookimpl
        def mesh_shutting_down(mesh):
            print(mesh.stats())
    """


@hookspec
def on_event(event: Event) -> None:
    """Hear of every change in the mesh: see ``EVENTS`` for the names. Runs in the background, off the request's path.

    Example::

        @hookimpl
        def on_event(event):
            if event.name == "model_deactivated":
                print(event.data["model"], event.data["reason"])
    """
