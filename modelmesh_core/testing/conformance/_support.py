"""What the suites share: async tests that need no pytest plugin."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

Suite = TypeVar("Suite")
P = ParamSpec("P")


def in_loop(
    test: Callable[Concatenate[Suite, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[Suite, P], None]:
    """Make an async test method a plain one that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(self: Suite, *args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(self, *args, **kwargs))

    return run
