"""The binary framing of streams."""

import random
from struct import pack
from zlib import crc32

import pytest
from modelmesh_aws.eventstream import MAX_PAYLOAD, EventStreamDecoder
from modelmesh_core import FailureKind, ProviderError


def test_recorded_streams_are_read_as_botocore_reads_them(recordings):
    eventstream = pytest.importorskip("botocore.eventstream", reason="compares with botocore, which is not installed")
    damaged = []
    for one in recordings:
        if not one.stream or one.status != 200 or not one.model:
            continue
        buffer, expected, fails = eventstream.EventStreamBuffer(), [], False
        buffer.add_data(one.body)
        try:
            expected += [(dict(event.headers), event.payload) for event in buffer]
        except eventstream.ChecksumMismatch:
            fails = True
            damaged.append(one.id)
        decoder = EventStreamDecoder()
        if fails:
            with pytest.raises(ProviderError) as caught:
                decoder.feed(one.body)
            assert caught.value.failure.kind is FailureKind.UNDECODABLE
        else:
            assert [(dict(found.headers), found.payload) for found in decoder.feed(one.body)] == expected
            assert decoder.held == 0
    assert all("invoke" in name or "completion" in name for name in damaged), damaged


def test_cuts_change_nothing(recordings):
    dice = random.Random(4)
    for one in [one for one in recordings if one.stream and one.kind == "chat" and one.model and one.status == 200]:
        whole = EventStreamDecoder().feed(one.body)
        for _ in range(10):
            decoder, found, at = EventStreamDecoder(), [], 0
            while at < len(one.body):
                step = dice.choice([1, 2, 11, 12, 13, 300])
                found += decoder.feed(one.body[at : at + step])
                at += step
            assert found == whole


@pytest.mark.parametrize("position", [0, 5, 9, 14, -10, -1])
def test_flipped_bit_is_noticed(message, position):
    data = bytearray(message({"text": "hello"}, message_type="event", event_type="x"))
    data[position] ^= 4
    with pytest.raises(ProviderError) as caught:
        EventStreamDecoder().feed(bytes(data))
    assert caught.value.failure.kind is FailureKind.UNDECODABLE


def test_message_before_a_damaged_one_in_an_earlier_piece_is_given(message):
    decoder, good = EventStreamDecoder(), message({"a": 1}, message_type="event")
    assert len(decoder.feed(good)) == 1
    with pytest.raises(ProviderError):
        decoder.feed(good[:-1] + b"!")


@pytest.mark.parametrize(("size", "headers"), [(15, 0), (16, 1), (20, 200_000), (MAX_PAYLOAD + 17, 0), (2**32 - 1, 0)])
def test_size_out_of_bounds_is_refused_before_it_is_held(size, headers):
    prelude = pack(">II", size, headers)
    with pytest.raises(ProviderError):
        EventStreamDecoder().feed(prelude + pack(">I", crc32(prelude)))


def test_every_type_of_header_value_is_passed_over():
    values = [b"\x00", b"\x01", b"\x02x", b"\x03xx", b"\x04xxxx", b"\x05" + b"x" * 8, b"\x06\x00\x02ab"]
    values += [b"\x07\x00\x03abc", b"\x08" + b"x" * 8, b"\x09" + b"x" * 16]
    head = b"".join(b"\x01" + bytes([97 + number]) + value for number, value in enumerate(values))
    assert _read(head).headers == {"h": "abc"}


@pytest.mark.parametrize("head", [b"\x01a\x0a", b"\x05a", b"\x01a\x07\x00\x09ab", b"\x01\xff\x00", b"\x01a\x04xx"])
def test_headers_that_make_no_sense_are_refused(head):
    with pytest.raises(ProviderError):
        _read(head)


def _read(head):
    prelude = pack(">II", 16 + len(head), len(head))
    whole = prelude + pack(">I", crc32(prelude)) + head
    (found,) = EventStreamDecoder().feed(whole + pack(">I", crc32(whole)))
    return found
