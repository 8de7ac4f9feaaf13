"""Model: a definition with its live state. Health, usage and latency are kept per model, across all pools."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from ..catalogue.definitions import ModelDefinition
from .accounts import Account
from .health import ModelHealth
from .ledger import Ledger


class ModelState:
    """Health and usage of one model. Made when it is first used, so that ten thousand idle models cost little."""

    __slots__ = ("account", "health")

    def __init__(self, health: ModelHealth, account: Account) -> None:
        self.health = health
        self.account = account


class Model:
    """One model: what it is (``definition``) and how it is doing (``state``, None until it is first used)."""

    __slots__ = ("_state", "_states", "definition")

    def __init__(self, definition: ModelDefinition, states: LiveStates) -> None:
        self.definition = definition
        self._states = states
        self._state: ModelState | None = None
        """As long as it was not asked for, it is not known here."""

    @property
    def id(self) -> str:
        return self.definition.id

    @property
    def state(self) -> ModelState | None:
        return self._states.peek(self.definition.id)

    def use(self) -> ModelState:
        """The state, made if need be."""
        state = self._state
        if state is None:
            state = self._state = self._states.of(self.definition)
        return state


class LiveStates:
    """The live state of every model, and the lock under which all live state changes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.ledger = Ledger(self.lock)
        self.version = 0
        """Grows when a model gets a state, or states are restored: until then, an unused model stays unused."""
        self.membership = 0
        """Grows when a pool's members may have changed."""
        self._models: dict[str, ModelState] = {}
        self._saved: dict[str, Mapping[str, Any]] = {}

    def peek(self, model_id: str) -> ModelState | None:
        state = self._models.get(model_id)
        if state is None and model_id in self._saved:
            return self._make(model_id, "UTC")
        return state

    def of(self, definition: ModelDefinition) -> ModelState:
        return self._models.get(definition.id) or self._make(definition.id, definition.limits.window_timezone)

    def _make(self, model_id: str, timezone: str) -> ModelState:
        with self.lock:
            if model_id in self._models:
                return self._models[model_id]
            health = ModelHealth(model_id)
            if model_id in self._saved:
                health.restore(self._saved.pop(model_id))
            self.version += 1
            state = self._models[model_id] = ModelState(health, self.ledger.account(f"model:{model_id}", timezone))
            return state

    def adopt(self, definition: ModelDefinition, account: Account) -> None:
        """Take up what is known to be used of a model that has no state yet."""
        with self.lock:
            if definition.id not in self._models:
                self.ledger.accounts[account.name] = account
                self.of(definition)

    def export(self) -> dict[str, Any]:
        """JSON-able; see ``restore``."""
        with self.lock:
            health = {**self._saved, **{model: state.health.export() for model, state in self._models.items()}}
            # What a storage keeps is shared by processes, and none of them may put its own in the place of all.
            return {"health": health, "ledger": self.ledger.export() if self.ledger.shared is None else {}}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up what ``export`` gave, also for models that are not registered yet."""
        with self.lock:
            self.ledger.restore(saved.get("ledger", {}) if self.ledger.shared is None else {})
            self._saved = dict(saved.get("health", {}))
            self.version += 1
            for model_id, state in self._models.items():
                if model_id in self._saved:
                    state.health.restore(self._saved.pop(model_id))
