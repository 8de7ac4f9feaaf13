"""ModelRegistry: every model definition, findable by id, alias, capability and provider."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

from ..capabilities import CapabilityTree
from ..errors import CapabilityNotFoundError, ConfigurationError
from .definitions import ModelDefinition

Listener = Callable[[], None]


class ModelRegistry:
    """All model definitions, in configuration order. Pool membership follows it: listeners hear of each change."""

    def __init__(self, tree: CapabilityTree) -> None:
        self._tree = tree
        self._models: dict[str, ModelDefinition] = {}
        self._listeners: list[Listener] = []

    def register(self, model: ModelDefinition) -> None:
        """Add ``model``, or replace the one of the same id. Raises ConfigurationError for an unknown capability."""
        self.register_all([model])

    def register_all(self, models: Iterable[ModelDefinition]) -> None:
        """Add several and tell the listeners once."""
        models = list(models)
        for model in models:
            for path in model.capabilities:
                if self._tree.find(path) is None:
                    raise ConfigurationError(f"model {model.id} names an unknown capability {path!r}")
        self._models.update((model.id, model) for model in models)
        self._changed()

    def unregister(self, model_id: str) -> None:
        """Remove a model. Unknown ids are no error: it is gone either way."""
        if self._models.pop(model_id, None) is not None:
            self._changed()

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` after each change of the set of models."""
        self._listeners.append(listener)

    def refresh(self) -> None:
        """Tell every listener to look again."""
        self._changed()

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def find(self, name: str) -> ModelDefinition | None:
        """The model that ``name`` means, or None.

        Accepted: the full id, ``vendor/name``, and the upstream or short name where only one model has it.
        """
        model = self._models.get(name) or self._models.get(name.replace("/", ".", 1))
        if model is not None:
            return model
        matches = [m for m in self._models.values() if name in (m.upstream_model, m.id.partition(".")[2])]
        return matches[0] if len(matches) == 1 else None

    def get_model(self, name: str) -> ModelDefinition:
        """The model that ``name`` means. Raises CapabilityNotFoundError with the nearest ids."""
        model = self.find(name)
        if model is None:
            near = difflib.get_close_matches(name, self._models, n=3, cutoff=0.5)
            hint = f"Did you mean {', '.join(near)}?" if near else "`modelmesh models list` shows what there is."
            raise CapabilityNotFoundError(f"no model is named {name!r}.", hint=hint)
        return model

    def list_models(self) -> list[ModelDefinition]:
        return list(self._models.values())

    def find_by_capability(self, name: str) -> list[ModelDefinition]:
        """Models registered at the node ``name`` or below it."""
        path = self._tree.resolve(name)
        below = path + "."
        return [
            model
            for model in self._models.values()
            if any(own == path or own.startswith(below) for own in model.capabilities)
        ]

    def find_by_provider(self, provider: str) -> list[ModelDefinition]:
        return [model for model in self._models.values() if model.provider == provider]

    def __len__(self) -> int:
        return len(self._models)
