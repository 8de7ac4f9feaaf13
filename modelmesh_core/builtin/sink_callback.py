"""``modelmesh.callback.v1``: hands entries to a function of yours."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, cast

import attrs
from modelmesh_core import ConnectorError, Entry, ObservabilityConnector, ObservabilitySink, hookimpl


@attrs.frozen
class CallbackOptions:
    """Options of ``modelmesh.callback.v1``."""

    callback: Any
    """``package.module:function``, or the function itself. It is called with a list of entries, and may be async."""


class CallbackSink(ObservabilitySink):
    """Calls the function with each batch: in the event loop if it is async, else in a thread.

    What it raises means that the batch was not taken. Raises ConnectorError if it cannot be found or called.
    """

    def __init__(self, options: CallbackOptions) -> None:
        named = options.callback
        self._callback = cast(Callable[..., Any], _find(named) if isinstance(named, str) else named)
        if not callable(self._callback):
            raise ConnectorError(f"callback {named!r} cannot be called.", hint="Name a function.")

    async def write(self, entries: Sequence[Entry]) -> None:
        if _is_async(self._callback):
            await self._callback(list(entries))
        else:
            await asyncio.to_thread(self._callback, list(entries))


def _is_async(callback: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__"))  # noqa: B004, B009


def _find(name: str) -> Any:
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ConnectorError(f"callback {name!r} names no function.", hint="Write package.module:function.")
    try:
        found: Any = import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConnectorError(
            f"callback {name!r} cannot be found: {error}.", hint="Is its package installed and spelt so?"
        ) from error
    return found


@hookimpl
def observability_connectors() -> Iterable[ObservabilityConnector]:
    yield ObservabilityConnector(
        id="modelmesh.callback.v1",
        create=CallbackSink,
        options=CallbackOptions,
        description="A function of yours.",
    )
