"""Windows against a slow and obvious model, over years and across daylight saving."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core.state import window_at

ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
moments = st.integers(1_577_836_800, 1_893_456_000)  # 2020 to 2029


@given(moments, st.sampled_from(ZONES), st.sampled_from(["minute", "hour", "day", "month"]))
def test_a_moment_lies_in_its_window_and_windows_join_without_a_gap(now, zone, kind):
    window = window_at(kind, now, zone)
    assert window.start <= now < window.end
    assert window_at(kind, window.start, zone) == window
    assert window_at(kind, window.end - 1, zone) == window
    assert window_at(kind, window.end, zone).start == window.end


@given(moments, st.sampled_from(ZONES))
def test_a_day_is_all_moments_of_one_date(now, zone):
    window = window_at("day", now, zone)
    date = datetime.fromtimestamp(now, ZoneInfo(zone)).date()
    for moment in (window.start, window.end - 1):
        assert datetime.fromtimestamp(moment, ZoneInfo(zone)).date() == date
    for moment in (window.start - 1, window.end):
        assert datetime.fromtimestamp(moment, ZoneInfo(zone)).date() != date


@given(moments, st.sampled_from(ZONES))
def test_a_month_is_all_moments_of_one_month(now, zone):
    window = window_at("month", now, zone)
    month = datetime.fromtimestamp(now, ZoneInfo(zone)).month
    assert datetime.fromtimestamp(window.start, ZoneInfo(zone)).day == 1
    assert datetime.fromtimestamp(window.end - 1, ZoneInfo(zone)).month == month
    assert datetime.fromtimestamp(window.end, ZoneInfo(zone)).month != month


@pytest.mark.parametrize(("date", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_daylight_saving_makes_days_of_23_and_25_hours(date, hours):
    noon = datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    window = window_at("day", noon, "Europe/Berlin")
    assert timedelta(seconds=window.end - window.start) == timedelta(hours=hours)
