"""Every known fault of a provider, as its caller sees it and as the provider sees it, in Python and over HTTP."""

from time import monotonic

import pytest
from faulty import DEADLINE, EXPECTED, MOST_CALLS
from modelmesh_core.testing import FAULTS


def named(error):
    """The provider that an error is about: by its text, or by the gateway's header beside the provider's own words."""
    response = getattr(error, "response", None)
    if response is not None:
        return response.headers.get("x-modelmesh-provider")
    return "first" if "first.model at first" in str(error) else None


CASES = [(fault, delivery) for fault in FAULTS.values() for delivery in sorted(fault.applies_to)]


@pytest.mark.parametrize("way", ["python", "http"])
@pytest.mark.parametrize(("fault", "delivery"), CASES, ids=[f"{fault.name}-{kind}" for fault, kind in CASES])
def test_a_fault_of_the_first_provider(fault, delivery, way, first, second, make_caller):
    caller = make_caller(way, {"first": first, "second": second})
    if fault.name == "stale-keepalive":
        assert getattr(caller, delivery)() == (EXPECTED, None)
    first.fault = fault
    started = monotonic()
    said, error = getattr(caller, delivery)()
    took = monotonic() - started

    assert took < DEADLINE
    assert first.wait_until_idle(1.0), "nothing goes on that nobody waits for"
    assert second.wait_until_idle(1.0)
    assert caller.mesh.get_router().in_flight == 0
    to_first = [request for request in first.requests if request.fault == fault.name]
    assert len(to_first) <= MOST_CALLS
    if fault.remedy == "caller":
        assert 400 <= error.status_code < 500
        assert (len(to_first), len(second.requests)) == (1, 0)
        return
    assert error is None, error
    assert said == EXPECTED
    if fault.remedy == "same":
        assert second.requests == []
    else:
        assert len(second.requests) == 1


@pytest.mark.parametrize("way", ["python", "http"])
@pytest.mark.parametrize(("fault", "delivery"), CASES, ids=[f"{fault.name}-{kind}" for fault, kind in CASES])
def test_a_fault_of_the_only_provider_is_one_clear_reason(fault, delivery, way, first, make_caller):
    if fault.remedy != "elsewhere":
        return
    caller = make_caller(way, {"first": first})
    first.fault = fault
    started = monotonic()
    said, error = getattr(caller, delivery)()

    assert monotonic() - started < DEADLINE
    assert error is not None, "a broken answer never looks finished"
    assert EXPECTED.startswith(said)
    assert said != EXPECTED
    assert named(error) == "first", "it names the provider"
    assert len(first.requests) <= MOST_CALLS
    assert first.wait_until_idle(1.0)
    assert caller.mesh.get_router().in_flight == 0
