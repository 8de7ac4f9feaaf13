"""An outage: the circuit opens, the broken provider sees a handful of probes, and traffic returns when it recovers."""

from time import monotonic, sleep

import pytest
from faulty import EXPECTED, SILENCE

COOLDOWN = 0.3
RECOVERY = {"cooldown": COOLDOWN, "max_cooldown": COOLDOWN * 4}


@pytest.mark.parametrize("fault", ["http-500", "connection-reset", "http-529-overloaded", "not-json"])
def test_a_broken_provider_is_hardly_asked_and_comes_back(fault, first, second, make_caller):
    caller = make_caller("python", {"first": first, "second": second}, recovery=RECOVERY)
    first.fault = fault
    began = monotonic()
    requests = 0
    while monotonic() - began < COOLDOWN * 6:
        assert caller.whole() == (EXPECTED, None)
        requests += 1
    asked = len(first.requests)
    assert requests > 100
    # Two requests until it is on standby, of two attempts each; then a probe a cooldown, each twice as far away.
    assert asked <= 4 + 4

    first.fault = None
    recovered = monotonic()
    while len(first.requests) < asked + 3:
        assert caller.whole() == (EXPECTED, None)
        assert monotonic() - recovered < RECOVERY["max_cooldown"] + 1.0, "back within one cooldown of its recovery"
    state = caller.mesh.pool_status()["chat"][0]
    assert state.status.value == "active"


def test_one_probe_at_a_time(first, second, make_caller):
    from concurrent.futures import ThreadPoolExecutor

    caller = make_caller("python", {"first": first, "second": second}, recovery=RECOVERY)
    first.fault = "http-500"
    while caller.mesh.pool_status()["chat"][0].status.value == "active":
        caller.whole()
    sleep(COOLDOWN + 0.1)  # the real sockets' cooldown
    first.fault, first.latency = None, 0.2
    asked = len(first.requests)
    with ThreadPoolExecutor(12) as callers:
        results = [future.result() for future in [callers.submit(caller.whole) for _ in range(12)]]
    assert results == [(EXPECTED, None)] * 12
    assert len(first.requests) == asked + 1, "the others did not wait for the probe, and did not join it"


def test_a_silent_provider_costs_one_timeout(first, second, make_caller):
    caller = make_caller("python", {"first": first, "second": second})
    first.fault = "silent"
    began = monotonic()
    assert caller.whole() == (EXPECTED, None)
    assert monotonic() - began < SILENCE * 2
    assert len(first.requests) == 1


def test_a_wait_that_fits_is_waited_for_and_a_longer_one_parks(first, second, make_caller):
    caller = make_caller("python", {"first": first, "second": second}, retry={"max_delay": 2.0})
    first.script(["http-429-retry-after-ms", None])
    assert caller.whole() == (EXPECTED, None)
    assert second.requests == []
    first.fault = "http-429-long-wait"
    for _ in range(3):
        assert caller.whole() == (EXPECTED, None)
    assert len(first.requests) == 3, "asked once, then left alone until its time"
    state = caller.mesh.pool_status()["chat"][0]
    assert state.until - state.last_request > 1000
