"""Server-sent events, cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core import ProviderError, SSEDecoder
from modelmesh_core.wire import sse

STREAM = (
    "\ufeff: a comment\r\nevent: first\r\ndata: ä€😀\r\ndata:two\r\n\r\ndata: lf\n\nid: 7\rdata: cr\r\rdata: the end"
).encode()
EVENTS = [("first", "ä€😀\ntwo".encode()), ("", b"lf"), ("", b"cr"), ("", b"the end")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_cuts_change_nothing(cuts):
    decoder, places = SSEDecoder(), sorted({0, len(STREAM), *cuts})
    events = [e for a, b in pairwise(places) for e in decoder.feed(STREAM[a:b])]
    assert [tuple(event) for event in [*events, *decoder.finish()]] == EVENTS


def test_a_long_event_is_put_together_once_however_many_pieces_it_comes_in():
    copied = []

    class Piece(bytes):
        """Notes what it costs to be appended to something."""

        def __radd__(self, other):
            copied.append(len(other) + len(self))
            return bytes(other) + bytes(self)

    decoder = SSEDecoder()
    decoder.feed(b"data: ")
    for _ in range(2000):
        assert decoder.feed(Piece(b"x" * 1000)) == []
    (event,) = decoder.feed(Piece(b"\n\n"))
    assert len(event.data) == 2_000_000
    assert sum(copied) < 5_000_000


def test_an_event_that_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT", 10_000)
    decoder = SSEDecoder()
    with pytest.raises(ProviderError, match="without ending"):
        for _ in range(100):
            decoder.feed(b"x" * 1000)
    decoder = SSEDecoder()
    with pytest.raises(ProviderError, match="without ending"):
        for _ in range(100):
            decoder.feed(b"data: " + b"x" * 1000 + b"\n")
