"""The formats that Prometheus reads: its text format 0.0.4, and OpenMetrics 1.0.0 for a scraper that asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .families import FAMILIES, Family
from .merging import Values

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_QUALITY = re.compile(r"q=([0-9.]+)")


def prefers_open_metrics(accept: str) -> bool:
    """Whether an ``accept`` header likes OpenMetrics better than plain text."""
    liked = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.lower().split(","):
        media_type, _, parameters = part.strip().partition(";")
        if media_type.strip() in liked:
            found = _QUALITY.search(parameters.replace(" ", ""))
            liked[media_type.strip()] = max(liked[media_type.strip()], _number(found[1]) if found else 1.0)
    open_metrics = liked["application/openmetrics-text"]
    return open_metrics > 0 and open_metrics >= liked["text/plain"]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def exposition(values: Values, *, open_metrics: bool) -> bytes:
    """Every family of ``values``, in the order of the table."""
    lines: list[str] = []
    for name, family in FAMILIES.items():
        found = values.get(name)
        if found:
            lines += _head(family, open_metrics)
            for labels, value in found.items():
                lines += _samples(family, labels, value)
    if open_metrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def _head(family: Family, open_metrics: bool) -> Iterator[str]:
    # In OpenMetrics the family of a counter has no _total, and a unit is the end of the family's name.
    name = family.name if open_metrics else _sample_name(family)
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {family.kind}"
    if open_metrics and family.unit:
        yield f"# UNIT {name} {family.unit}"


def _sample_name(family: Family) -> str:
    return f"{family.name}_total" if family.kind == "counter" else family.name


def _samples(family: Family, labels: tuple[str, ...], value: Any) -> Iterator[str]:
    pairs = [f'{name}="{_escaped(text)}"' for name, text in zip(family.labels, labels, strict=True)]
    if family.kind != "histogram":
        yield f"{_sample_name(family)}{_braced(pairs)} {_shown(value)}"
        return
    bounds, counts, total = value
    below = 0
    for bound, count in zip([*bounds, None], counts, strict=True):
        below += count
        edge = "+Inf" if bound is None else repr(float(bound))
        yield f"{family.name}_bucket{_braced([*pairs, f'le={chr(34)}{edge}{chr(34)}'])} {below}"
    yield f"{family.name}_sum{_braced(pairs)} {_shown(total)}"
    yield f"{family.name}_count{_braced(pairs)} {below}"


def _braced(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escaped(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return plain.encode("utf-8", "replace").decode()


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
