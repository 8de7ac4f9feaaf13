"""What is true now, as rows: standby, quotas, queues, requests in flight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from modelmesh_core import Entry

from .counting import OTHER, Row


def gauge_rows(present: Iterable[Entry], max_series: int) -> Iterator[Row]:
    """The rows of entries of type ``gauge``. Beyond ``max_series`` models or quotas, the rest of the models is one row,
    1 if any of them is on standby, and the rest of the quotas is left out: their sum would say nothing."""
    members = quotas = 0
    rest: int | None = None
    for entry in present:
        scope = entry["scope"]
        if scope == "standby":
            members += 1
            if members <= max_series:
                place = (entry["pool"], entry["model"], entry["provider"])
                yield "modelmesh_standby", place, int(entry["standby"])
            else:
                rest = max(rest or 0, int(entry["standby"]))
        elif scope == "quota":
            quotas += 1
            if quotas <= max_series:
                yield from _quota_rows(entry)
        elif scope == "queue":
            sink = (entry["name"],)
            yield "modelmesh_queue_entries", sink, entry["waiting"]
            yield "modelmesh_queue_dropped", sink, entry["dropped"]
            yield "modelmesh_queue_failures", sink, entry["failures"]
        elif scope == "mesh":
            yield "modelmesh_in_flight_requests", (), entry["in_flight"]
            estimates = entry["estimates"]
            yield "modelmesh_estimated_requests", (), estimates["settled"]
            yield "modelmesh_estimated_tokens", (), estimates["estimated_tokens"]
            yield "modelmesh_estimate_missed_tokens", (), estimates["missed_tokens"]
    if rest is not None:
        yield "modelmesh_standby", (OTHER,) * 3, rest


def _quota_rows(entry: Entry) -> Iterator[Row]:
    account = (entry["account"], entry["window"], entry["measure"])
    yield "modelmesh_quota_limit", account, float(entry["limit"])
    yield "modelmesh_quota_used", account, float(entry["used"])
    yield "modelmesh_quota_left", account, float(entry["left"])
    yield "modelmesh_quota_reset_timestamp_seconds", account, entry["resets_at"]
