"""Hedging: a second attempt elsewhere when the first is slow. The first answer wins, the loser is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..values import Clock
from ..wire.messages import Delivery
from .attempt import Attempt

T = TypeVar("T")
LEAST_SAMPLES = 10
"""Answers of a model from which on its p95 means something."""

_Running = dict["asyncio.Future[T]", Attempt]
Send = Callable[[Attempt], Awaitable[T]]
Lost = Callable[[Attempt, T | None, BaseException | None], Awaitable[None]]
"""Takes an attempt that did not win, with its answer or its failure (neither: it was cancelled)."""


def hedge_delay(attempt: Attempt, delivery: Delivery) -> float | None:
    """Seconds after which a second attempt is due; None where the pool does not hedge, or nothing is known yet.

    For streams, the time to the first token counts.
    """
    hedge = attempt.pool.settings.hedge
    if hedge is None:
        return None
    if hedge.after != "p95":
        return hedge.after
    state = attempt.member.model.state
    if state is None:
        return None
    recent = state.health.first_token if delivery is Delivery.STREAMING else state.health.latency
    return recent.percentile(0.95) if len(recent) >= LEAST_SAMPLES else None


async def race(
    first: Attempt,
    send: Send[T],
    hedge: Callable[[Attempt], Awaitable[Attempt | None]],
    delay: float,
    clock: Clock,
    lost: Lost[T],
) -> tuple[Attempt, T]:
    """Send ``first``; after ``delay`` seconds without its answer, send what ``hedge`` gives, too.

    Returns the attempt that answered first, and its answer. Raises what ``send`` raised if all failed. Whatever
    happens, no call goes on afterwards.
    """
    running: _Running[T] = {asyncio.ensure_future(send(first)): first}
    timer = asyncio.ensure_future(clock.sleep(delay))
    try:
        await asyncio.wait([*running, timer], return_when=asyncio.FIRST_COMPLETED)
        if not any(task.done() for task in running):
            second = await hedge(first)
            if second is not None:
                running[asyncio.ensure_future(send(second))] = second
        return await _first_answer(running, lost)
    finally:
        timer.cancel()
        await _cancel(running, lost)


async def _first_answer(running: _Running[T], lost: Lost[T]) -> tuple[Attempt, T]:
    while True:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            attempt = running.pop(task)
            if task.cancelled() or (task.exception() is not None and not running):
                task.result()  # raises
            failure = task.exception()
            if failure is None:
                return attempt, task.result()
            await lost(attempt, None, failure)


async def _cancel(running: _Running[T], lost: Lost[T]) -> None:
    """End what is left: an attempt that was about to answer, too."""
    for task in running:
        task.cancel()
    for task, attempt in running.items():
        await asyncio.wait([task])
        failure = None if task.cancelled() else task.exception()
        answer = task.result() if failure is None and not task.cancelled() else None
        await lost(attempt, answer, failure)
