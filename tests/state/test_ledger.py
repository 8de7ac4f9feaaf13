"""Reserve before, settle after: limits hold while requests are in flight."""

import threading
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core import Limits
from modelmesh_core.state import Account, Ledger, LimitReached, Reservation

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC


def test_a_reservation_counts_at_once_and_settling_corrects_it():
    ledger = Ledger()
    account = ledger.account("model:a")
    held = ledger.reserve((account,), Limits(), tokens=100, cost=0.5, now=NOON)
    assert isinstance(held, Reservation)
    assert account.used(NOON)["day"].tokens == 100
    held.settle(NOON + 1, 30, Decimal("0.1234"))
    used = account.used(NOON + 1)["day"]
    assert (used.requests, used.tokens, used.cost) == (1, 30, Decimal("0.1234"))
    held.settle(NOON + 1, 30, Decimal("0.1234"))
    assert account.used(NOON + 1)["day"].tokens == 30
    assert account.in_flight == 0


def test_many_threads_never_pass_a_request_limit():
    ledger = Ledger()
    account = ledger.account("model:a")
    limits = Limits(requests_per_day=500)
    granted = []

    def work():
        for _ in range(200):
            held = ledger.reserve((account,), limits, tokens=1, cost=0, now=NOON)
            if isinstance(held, Reservation):
                granted.append(held)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 500


def test_a_refusal_says_which_limit_and_when_it_resets():
    ledger = Ledger()
    account = ledger.account("model:a")
    limits = Limits(tokens_per_minute=100)
    ledger.reserve((account,), limits, tokens=80, cost=0, now=NOON)
    refused = ledger.reserve((account,), limits, tokens=30, cost=0, now=NOON + 10)
    assert isinstance(refused, LimitReached)
    assert refused.reason == "limit of 100 tokens per minute"
    assert refused.resets_at == NOON + 60


def test_what_is_settled_after_its_window_ended_does_not_burden_the_next():
    ledger = Ledger()
    account = ledger.account("model:a")
    held = ledger.reserve((account,), Limits(), tokens=100, cost=0, now=NOON + 59)
    assert isinstance(held, Reservation)
    held.settle(NOON + 61, 500, None)
    assert account.used(NOON + 61)["minute"].tokens == 0
    assert account.used(NOON + 61)["day"].tokens == 500


@given(st.lists(st.tuples(st.floats(0, 4000), st.integers(0, 50)), max_size=60))
def test_a_rolling_hour_agrees_with_a_slow_model(steps):
    account = Account("x", rolling=True)
    now, sent = NOON, []
    for wait, tokens in steps:
        now += wait
        account.apply(now, 1, tokens, 0, 0)
        sent.append((now // 60, tokens))
        recent = [t for slot, t in sent if slot > now // 60 - 60]
        used = account.used(now)["hour"]
        assert (used.requests, used.tokens) == (len(recent), sum(recent))


@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 9)), max_size=40))
def test_calendar_windows_agree_with_a_slow_model_and_survive_export(steps):
    account = Account("x")
    now, sent = NOON, []
    for wait, tokens in steps:
        now += wait
        account.apply(now, 1, tokens, tokens * 7, 0)
        sent.append((now, tokens))
        again = Account("x")
        again.restore(account.export())
        for window, length in (("minute", 60), ("hour", 3600), ("day", 86400)):
            start = now // length * length
            recent = [t for moment, t in sent if moment >= start]
            for one in (account, again):
                used = one.used(now)[window]
                assert (used.requests, used.tokens) == (len(recent), sum(recent))


def test_the_clock_may_jump_back_without_losing_what_was_counted():
    account = Account("x")
    account.apply(NOON, 1, 10, 0, 0)
    account.apply(NOON - 5, 1, 10, 0, 0)
    assert account.used(NOON - 5)["day"].requests == 2
    assert account.used(NOON)["day"].requests == 2
