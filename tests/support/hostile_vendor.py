"""A vendor that answers anything at all: what no connector may be brought down by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import strategies as st
from modelmesh_core import (
    Flow,
    Operation,
    Provider,
    ProviderCall,
    ProviderConnector,
    ProviderError,
    ProviderSettings,
    Reply,
    Secret,
)
from modelmesh_core.testing import response

KEY = "key-that-nobody-may-see"
BAD_URLS = ["ftp://x", "nowhere", "https://u:p@x.example", "https://x.example?a=1", "http://[::1"]
_STATUSES = [200, 200, 200, 201, 204, 302, 400, 429, 500]


def maker(connectors: Iterable[ProviderConnector]) -> Callable[..., Any]:
    """A function that makes the provider of a connector, by id, with its options."""
    known = {connector.id: connector for connector in connectors}

    def make(
        connector: str,
        base_url: str | None = None,
        headers: dict[str, str] | None = None,
        key: str = KEY,
        **options: Any,
    ) -> Provider:
        found = known[connector]
        own = found.options(**options) if found.options else None
        return found.create(ProviderSettings("acme", Secret(key), base_url, headers or {}, own))

    return make


def bodies(names: list[str], words: list[str]) -> st.SearchStrategy[bytes]:
    """JSON of a vendor's own names and words, in any order and of any type; and what is no JSON."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    leaves = leaves | st.sampled_from(words) | st.text(max_size=5)
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=5)
    )
    return values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)


def answer_anything(flow: Flow, data: st.DataObject, contents: st.SearchStrategy[bytes]) -> None:
    """Answer up to 20 requests of ``flow`` with anything: it has to end in a reply or a ProviderError."""
    try:
        next(flow)
        for _ in range(20):
            kind = data.draw(st.sampled_from(["application/json", "audio/mpeg", ""]))
            flow.send(response(data.draw(contents), data.draw(st.sampled_from(_STATUSES)), kind))
    except StopIteration as stop:
        assert isinstance(stop.value, Reply)
    except ProviderError:
        pass


def check_that_a_quoted_key_is_hidden(flow: Flow) -> None:
    next(flow)
    with pytest.raises(ProviderError) as caught:
        flow.send(response({"error": f"wrong key {KEY}", "more": KEY}, 401))
    assert KEY not in f"{caught.value!r} {caught.value} {caught.value.failure!r}" and "***" in str(caught.value)


def check_that_it_cannot_rank(provider: Any) -> None:
    """For connectors without the operation."""
    with pytest.raises(ProviderError, match="cannot do rerank"):
        next(provider.execute(ProviderCall(Operation.RERANK, "m", {})))
