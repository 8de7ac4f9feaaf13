"""Reserve before, settle after: limits hold while requests are in flight."""

import threading
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core.limits import AccountLimits, WindowLimit
from modelmesh_core.state import Account, Ledger, LimitReached, Reservation

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC
NAME = "model:a"


def per(window, **limits):
    return AccountLimits((WindowLimit(window, **limits),))


def reserve(ledger, *allowances, tokens=1, cost=0, now=NOON):
    return ledger.reserve(allowances, tokens=tokens, cost=cost, now=now)


def test_a_reservation_counts_at_once_and_settling_corrects_it():
    ledger = Ledger()
    allowance = ledger.allowance(NAME)
    held = reserve(ledger, allowance, tokens=100, cost=0.5)
    assert isinstance(held, Reservation)
    account = allowance.account
    assert account.used(NOON)["day"].tokens == 100
    held.settle(NOON + 1, 30, Decimal("0.1234"))
    used = account.used(NOON + 1)["day"]
    assert (used.requests, used.tokens, used.cost) == (1, 30, Decimal("0.1234"))
    held.settle(NOON + 1, 30, Decimal("0.1234"))
    assert account.used(NOON + 1)["day"].tokens == 30
    assert account.in_flight == 0


def test_what_was_never_sent_was_never_used():
    ledger = Ledger()
    allowance = ledger.allowance(NAME, per("day", requests=1))
    held = reserve(ledger, allowance, tokens=100, cost=0.5)
    held.release(NOON)
    used = allowance.account.used(NOON)["day"]
    assert (used.requests, used.tokens, used.cost) == (0, 0, 0)
    assert isinstance(reserve(ledger, allowance), Reservation)


def test_many_threads_never_pass_a_request_limit():
    ledger = Ledger()
    allowance = ledger.allowance(NAME, per("day", requests=500))
    granted = []

    def work():
        for _ in range(200):
            held = reserve(ledger, allowance)
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
    allowance = ledger.allowance(NAME, per("minute", tokens=100))
    reserve(ledger, allowance, tokens=80)
    refused = reserve(ledger, allowance, tokens=30, now=NOON + 10)
    assert isinstance(refused, LimitReached)
    assert refused.reason == "limit of 100 tokens per minute"
    assert refused.resets_at == NOON + 60


def test_all_accounts_are_charged_or_none():
    ledger = Ledger()
    wide, narrow = ledger.allowance("pool:chat"), ledger.allowance(NAME, per("day", requests=1))
    assert isinstance(reserve(ledger, wide, narrow), Reservation)
    assert isinstance(reserve(ledger, wide, narrow), LimitReached)
    assert wide.account.used(NOON)["day"].requests == 1


def test_a_budget_binds_what_costs_something_and_nothing_else():
    ledger = Ledger()
    budget = ledger.allowance("pool:chat/budget", per("day", cost=Decimal("0.10")))
    first = reserve(ledger, budget, cost=0.06)
    refused = reserve(ledger, budget, cost=0.05)
    assert isinstance(refused, LimitReached)
    assert refused.is_budget
    assert refused.reason == "budget of 0.1 USD per day"
    assert isinstance(reserve(ledger, budget, cost=0), Reservation)
    first.settle(NOON, 10, Decimal("0.02"))
    assert isinstance(reserve(ledger, budget, cost=0.05), Reservation), "the estimate was too high"


def test_one_request_may_be_too_dear():
    ledger = Ledger()
    budget = ledger.allowance("key:a/budget", AccountLimits(per_request=Decimal("0.01")))
    assert isinstance(reserve(ledger, budget, cost=0.01), Reservation)
    assert isinstance(reserve(ledger, budget, cost=0.011), LimitReached)


def test_requests_in_flight_are_limited_until_they_end():
    ledger = Ledger()
    allowance = ledger.allowance(NAME, AccountLimits(concurrent=1))
    held = reserve(ledger, allowance)
    assert isinstance(reserve(ledger, allowance), LimitReached)
    held.settle(NOON, 1, None)
    assert isinstance(reserve(ledger, allowance), Reservation)


def test_an_alert_comes_once_in_each_window():
    ledger, alerts = Ledger(), []
    ledger.on_alert = alerts.append
    limits = AccountLimits((WindowLimit("day", cost=Decimal(1)),), alert_threshold=0.8)
    budget = ledger.allowance("pool:chat/budget", limits)
    for day in (0, 86400):
        for _ in range(9):
            reserve(ledger, budget, cost=0.1, now=NOON + day).settle(NOON + day, 1, Decimal("0.1"))
    assert [(alert.account, alert.window, alert.spent) for alert in alerts] == [
        ("pool:chat/budget", "day", Decimal("0.8"))
    ] * 2
    assert alerts[1].resets_at == alerts[0].resets_at + 86400


def test_limits_that_change_bind_what_was_used_already():
    ledger = Ledger()
    for _ in range(3):
        reserve(ledger, ledger.allowance(NAME, per("day", requests=10)))
    assert isinstance(reserve(ledger, ledger.allowance(NAME, per("day", requests=3))), LimitReached)


def test_the_providers_own_count_is_believed_where_it_is_higher():
    ledger = Ledger()
    allowance = ledger.allowance(NAME, per("day", requests=10, tokens=1000))
    reserve(ledger, allowance, tokens=5)
    ledger.correct(allowance, "day", 9, 400, NOON)
    used = allowance.account.used(NOON)["day"]
    assert (used.requests, used.tokens) == (9, 400)
    ledger.correct(allowance, "day", 2, 1, NOON)
    assert allowance.account.used(NOON)["day"].requests == 9
    assert allowance.account.used(NOON)["month"].requests == 1


def test_what_is_settled_after_its_window_ended_does_not_burden_the_next():
    ledger = Ledger()
    allowance = ledger.allowance(NAME)
    held = reserve(ledger, allowance, tokens=100, now=NOON + 59)
    held.settle(NOON + 61, 500, None)
    account = allowance.account
    assert account.used(NOON + 61)["minute"].tokens == 0
    assert account.used(NOON + 61)["day"].tokens == 500


def test_the_error_of_the_estimates_is_known():
    ledger = Ledger()
    for used in (80, 130):
        reserve(ledger, ledger.allowance(NAME), tokens=100).settle(NOON, used, None)
    error = ledger.estimates
    assert (error.settled, error.estimated_tokens, error.used_tokens) == (2, 200, 210)
    assert (error.missed_tokens, error.most_under) == (50, 30)


STEPS = st.lists(
    st.tuples(st.integers(0, 90_000), st.integers(1, 50), st.integers(0, 60), st.integers(0, 200_000)), max_size=30
)


def spent(steps, rolling):
    """Runs reservations that overlap; gives the account, its end, and (reserved at, tokens) of each."""
    account, moments = Account("x", rolling=rolling), []
    now = NOON
    for wait, estimate, used, takes in steps:
        now += wait
        moments.append((now, 0, estimate, used))
        moments.append((now + takes, 1, estimate, used))
    begun = {}
    for number, (moment, kind, estimate, used) in enumerate(sorted(moments, key=lambda one: one[:2])):
        if kind == 0:
            account.reserve(moment, (1, estimate, 0))
            begun.setdefault((estimate, used), []).append((number, moment))
        else:
            since = begun[(estimate, used)].pop(0)[1]
            account.settle(since, moment, (1, estimate, 0), (1, used, 0))
    ends = [moment for moment, *_ in moments]
    return account, max(ends, default=NOON)


@given(STEPS)
def test_calendar_windows_agree_with_a_slow_model_and_survive_export(steps):
    account, end = spent(steps, rolling=False)
    moments, now = [], NOON
    for wait, _, used, _ in steps:
        now += wait
        moments.append((now, used))
    again = Account("x")
    again.restore(account.export())
    for window, length in (("minute", 60), ("hour", 3600), ("day", 86400)):
        start = end // length * length
        recent = [used for moment, used in moments if moment >= start]
        for one in (account, again) if steps else (account,):
            found = one.used(end)[window]
            assert (found.requests, found.tokens) == (len(recent), sum(recent))


@given(STEPS)
def test_a_rolling_day_never_counts_less_than_the_last_24_hours(steps):
    account, end = spent(steps, rolling=True)
    moments, now = [], NOON
    for wait, _, used, _ in steps:
        now += wait
        moments.append((now, used))
    found = account.used(end)["day"]
    within = [used for moment, used in moments if moment > end - 86400]
    with_a_slot_more = [used for moment, used in moments if moment > end - 86400 - 86400 / 60]
    assert len(within) <= found.requests <= len(with_a_slot_more)
    assert sum(within) <= found.tokens <= sum(with_a_slot_more)


def test_the_clock_may_jump_back_without_losing_what_was_counted():
    account = Account("x")
    account.reserve(NOON, (1, 10, 0))
    for back in (5, 3 * 86400):
        account.reserve(NOON - back, (1, 10, 0))
    assert account.used(NOON - 3 * 86400)["day"].requests == 3
    assert account.used(NOON)["month"].requests == 3


def test_the_clock_may_jump_forward_and_back_without_holding_limits_for_years():
    account = Account("x")
    for moment in (NOON, NOON + 900 * 86400):
        account.reserve(moment, (1, 10, 0))
        account.settle(moment, moment, (1, 10, 0), (1, 10, 0))
    assert account.used(NOON + 60)["day"].requests <= 2
    assert account.used(NOON + 2 * 86400)["day"].requests == 0
