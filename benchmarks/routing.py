"""What one routing decision costs, and what ten thousand models weigh.

    python benchmarks/routing.py

Goals: 50 µs in a pool of 3; 100 µs with 10,000 models in 100 pools; 50 MB for 10,000 models.
"""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from time import perf_counter
from typing import Any

from modelmesh_core import ModelMesh, Operation, Request
from modelmesh_core.testing import FakeUpstream

BODY = {"model": "chat", "messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 20}


def configuration(pools: int, models_per_pool: int, **pool: Any) -> dict[str, Any]:
    """``pools`` pools of ``models_per_pool`` models, all at one provider."""
    names = [f"a.m{number}" for number in range(pools * models_per_pool)]
    per = models_per_pool
    return {
        "providers": {"a": {"connector": "modelmesh.openai-compatible.v1", "base_url": "https://a.test/v1"}},
        "models": {name: {"provider": "a", "capabilities": ["chat-completion"]} for name in names},
        "pools": {f"pool{n}": {"models": names[n * per : (n + 1) * per], **pool} for n in range(pools)},
    }


def build(config: dict[str, Any]) -> ModelMesh:
    upstream = FakeUpstream()
    return ModelMesh(config, environ={}, make_transport=upstream.make_transport).initialize()


def microseconds(mesh: ModelMesh, pool: str, rounds: int = 3000) -> float:
    """Median of one decision, made anew each time."""
    router = mesh.get_router()
    times: list[float] = []
    for _ in range(rounds):
        request = Request(Operation.CHAT, pool, BODY)
        started = perf_counter()
        router.pipeline.execute(router.context(request))
        times.append(perf_counter() - started)
    return statistics.median(times) * 1e6


def main() -> None:
    rows: list[tuple[str, str, str]] = []
    small = build(configuration(1, 3))
    rows.append(("decision, pool of 3, stick-until-failure", f"{microseconds(small, 'pool0'):.1f} µs", "50 µs"))
    small.shutdown()
    priced = build(configuration(1, 3, strategy="cost-first"))
    rows.append(("decision, pool of 3, cost-first", f"{microseconds(priced, 'pool0'):.1f} µs", "50 µs"))
    priced.shutdown()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    large = build(configuration(100, 100))
    gc.collect()
    megabytes = (tracemalloc.get_traced_memory()[0] - before) / 1e6
    tracemalloc.stop()
    cost = microseconds(large, "pool50", 1000)
    rows.append(("decision, 10,000 models in 100 pools of 100", f"{cost:.1f} µs", "100 µs"))
    rows.append(("memory, 10,000 models", f"{megabytes:.1f} MB", "50 MB"))
    large.shutdown()
    for name, measured, goal in rows:
        print(f"{name:48} {measured:>12}   goal {goal}")


if __name__ == "__main__":
    main()
