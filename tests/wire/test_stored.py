"""Bytes that lie on disk read like bytes in memory, wherever they are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelmesh_core.gateway.forms import read_form
from modelmesh_core.gateway.refusals import Refusal
from modelmesh_core.wire import stored
from modelmesh_core.wire.forms import FormFile, encode_form
from modelmesh_core.wire.stored import Spool, StoredBytes, beginning

SMALL = 7
"""Bytes of a block here, so that everything is cut somewhere."""
PIECES = st.lists(st.tuples(st.booleans(), st.binary(max_size=20)), max_size=6)
TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(stored, "BLOCK", SMALL)


def on_disk(data: bytes) -> StoredBytes:
    spool = Spool()
    for start in range(0, len(data), 5):
        spool.append(data[start : start + 5])
    return spool.content()


def mixed(pieces: list[tuple[bool, bytes]]) -> tuple[StoredBytes, bytes]:
    """Some in memory and some on disk, and what they are together."""
    parts = [on_disk(data) if is_stored else data for is_stored, data in pieces]
    return StoredBytes(parts), b"".join(data for _, data in pieces)


@given(PIECES, st.integers(0, 60), st.integers(0, 60))
def test_a_part_is_the_part_of_the_bytes(pieces, start, stop):
    content, data = mixed(pieces)
    assert len(content) == len(data)
    assert content.read() == data
    assert content.part(start, stop).read() == data[start : max(start, stop)]
    assert beginning(content, stop) == beginning(data, stop) == data[:stop]


@given(PIECES, st.binary(min_size=1, max_size=9), st.integers(0, 40))
def test_what_is_looked_for_is_found_where_it_is(pieces, wanted, start):
    content, data = mixed(pieces)
    assert content.find(wanted, start) == data.find(wanted, start)
    for place in range(len(data) - 3):
        assert content.find(data[place : place + 4], 0) == data.find(data[place : place + 4])


async def test_it_is_read_in_blocks_and_any_number_of_times():
    content, data = mixed([(True, b"0123456789"), (False, b"abc"), (True, b"xyz")])
    for _ in range(2):
        blocks = [block async for block in content]
        assert b"".join(blocks) == data
        assert max(map(len, blocks)) <= SMALL


def test_nothing_is_left_of_a_spool_that_was_closed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    spool = Spool()
    spool.append(b"x" * 100_000)
    assert list(tmp_path.iterdir()) == [], "nobody else finds it"
    content = spool.content()
    spool.close()
    with pytest.raises(ValueError):
        content.read()
    assert "100000" in repr(content)


@settings(max_examples=200)
@given(st.lists(st.tuples(TEXTS, st.one_of(TEXTS, st.binary(max_size=60))), min_size=1, max_size=5))
def test_a_form_on_disk_is_the_form_in_memory(fields):
    media_type, raw = encode_form(
        (name, value if isinstance(value, str) else FormFile(value, "f.bin")) for name, value in fields
    )
    assert isinstance(raw, bytes)
    held, kept = read_form(raw, media_type), read_form(on_disk(raw), media_type)
    assert [part.name for part in held] == [name for name, _ in fields]
    assert [(p.name, p.filename, p.media_type) for p in kept] == [(p.name, p.filename, p.media_type) for p in held]
    for (_, value), one, other in zip(fields, held, kept, strict=True):
        content = other.content.read() if isinstance(other.content, StoredBytes) else other.content
        assert content == one.content == (value.encode() if isinstance(value, str) else value)


@settings(max_examples=200)
@given(
    st.binary(max_size=80), st.sampled_from([b"\r\n--x", b"--x", b"\r\n\r\n", b"--x--", b"", b'form-data; name="f"'])
)
def test_what_is_no_form_is_refused_alike(noise, mark):
    raw = noise[:40] + mark + noise[40:]

    def told(content):
        try:
            return [part.name for part in read_form(content, "multipart/form-data; boundary=x")]
        except Refusal as refusal:
            return refusal.message

    assert told(on_disk(raw)) == told(raw)


def test_a_form_with_a_stored_file_is_not_held_in_memory():
    media_type, body = encode_form([("model", "m"), ("file", FormFile(on_disk(b"sound" * 9), "a.wav"))])
    assert isinstance(body, StoredBytes)
    again = read_form(body.read(), media_type)
    assert [part.content for part in again] == [b"m", b"sound" * 9]
