"""Every fault of a FaultyProvider is what its title says, as the bytes on the wire show it."""

import gzip
import json
import socket
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest
from documents import DOCS, blocks
from modelmesh_core.testing import FAULTS, answer_to, tool_arguments_for
from raw_client import ENOUGH, TOOL, Seen, ask, body_of, read, request_bytes

PAGE = DOCS / "testing-faults.md"
TEXT = answer_to(body_of())


def error_of(seen):
    return json.loads(seen.body)["error"]


def says_error(status, *, code=None, kind=None):
    def check(seen):
        error = error_of(seen)
        return seen.status == status and error["code"] == code and (kind is None or error["type"] == kind)

    return check


def says_header(status, name, value):
    return lambda seen: seen.status == status and f"\r\n{name}: {value}\r\n" in seen.head + "\r\n"


def is_right(seen):
    return seen.status == 200 and json.loads(seen.body)["choices"][0]["message"]["content"] == TEXT


def is_part(seen):
    """Some words of the right text, and no end of it."""
    return seen.text and seen.text != TEXT and TEXT.startswith(seen.text) and not seen.finishes


def is_date_soon(seen):
    date = parsedate_to_datetime(seen.head.partition("retry-after: ")[2].partition("\r\n")[0])
    return seen.status == 503 and 0 <= (date - datetime.now(UTC)).total_seconds() <= 2


def is_no_utf8(seen):
    with pytest.raises(UnicodeDecodeError):
        seen.body.decode()
    return '"choices"' in seen.body.decode("utf-8", "replace")


def is_no_gzip(seen):
    with pytest.raises(zlib.error):
        gzip.decompress(seen.body)
    return "content-encoding: gzip" in seen.head


def declares(seen):
    return int(seen.head.partition("content-length: ")[2].partition("\r\n")[0])


def is_whole_stream(seen):
    return seen.text == TEXT and seen.finishes and seen.done and seen.is_whole


def ends_without_done(seen):
    return seen.text == TEXT and seen.finishes and not seen.done


def nothing(seen):
    return seen.data == b""


WHOLE = {
    "connection-refused": ("refused", nothing),
    "connection-reset": ("reset", nothing),
    "connection-closed": ("closed", nothing),
    "stale-keepalive": ("closed", is_right),
    "silent": ("silent", nothing),
    "slow-head": ("endless", lambda seen: seen.data.startswith(b"HTTP/1.1 200") and b"\r\n\r\n" not in seen.data),
    "head-then-silent": ("silent", lambda seen: seen.status == 200 and seen.data.endswith(b"\r\n\r\n")),
    "endless-interim": ("endless", lambda seen: seen.data.count(b"HTTP/1.1 103 Early Hints") > 5),
    "stream-drip": ("closed", lambda seen: is_right(seen) and seen.segments > 10),
    "latency-spike": ("closed", is_right),
    "http-500": ("closed", says_error(500, kind="server_error")),
    "http-502-html": ("closed", lambda seen: seen.status == 502 and seen.body.startswith(b"<html>")),
    "http-503-retry-after": ("closed", says_header(503, "retry-after", "1")),
    "http-503-retry-after-date": ("closed", is_date_soon),
    "http-529-overloaded": ("closed", says_error(529, kind="overloaded_error")),
    "http-408": ("closed", says_error(408)),
    "http-429-retry-after": ("closed", says_header(429, "retry-after", "1")),
    "http-429-retry-after-ms": ("closed", says_header(429, "retry-after-ms", "250")),
    "http-429-long-wait": ("closed", says_header(429, "retry-after", "3600")),
    "http-429-no-hint": ("closed", lambda seen: seen.status == 429 and "retry-after" not in seen.head),
    "http-429-quota": ("closed", says_error(429, code="insufficient_quota")),
    "http-401": ("closed", says_error(401, code="invalid_api_key")),
    "http-402": ("closed", says_error(402)),
    "http-403": ("closed", says_error(403)),
    "http-404-model": ("closed", says_error(404, code="model_not_found")),
    "http-410": ("closed", says_error(410)),
    "http-302": ("closed", lambda seen: seen.status == 302 and "\r\nlocation: http://127.0.0.1:" in seen.head),
    "http-400-context": ("closed", says_error(400, code="context_length_exceeded")),
    "http-413": ("closed", says_error(413)),
    "http-400-invalid": ("closed", says_error(400, code="invalid_value")),
    "http-422": ("closed", says_error(422)),
    "http-400-content-policy": ("closed", says_error(400, code="content_policy_violation")),
    "not-json": ("closed", lambda seen: "text/html" in seen.head and seen.body.startswith(b"<!doctype html>")),
    "half-json": ("closed", lambda seen: len(seen.body) == declares(seen) and not seen.body.endswith(b"}")),
    "empty-body": ("closed", lambda seen: seen.status == 200 and declares(seen) == 0 and seen.body == b""),
    "null-body": ("closed", lambda seen: seen.body == b"null"),
    "error-in-200": ("closed", says_error(200, kind="server_error")),
    "no-choices": ("closed", lambda seen: json.loads(seen.body)["choices"] == []),
    "short-body": ("closed", lambda seen: 0 < len(seen.body) < declares(seen)),
    "long-body": ("closed", lambda seen: len(seen.body) > declares(seen)),
    "bad-chunk-size": ("closed", lambda seen: b"\r\n\r\nzz\r\n" in seen.data),
    "truncated-chunk": ("closed", lambda seen: seen.body == b"" and b"choices" in seen.data),
    "invalid-utf8": ("closed", is_no_utf8),
    "bad-gzip": ("closed", is_no_gzip),
    "wrong-content-type": ("closed", lambda seen: is_right(seen) and "text/html" in seen.head),
    "giant-body": ("endless", lambda seen: seen.status == 200 and len(seen.data) > ENOUGH),
    "endless-header": ("endless", lambda seen: len(seen.data) > ENOUGH and b"\r\n\r\n" not in seen.data),
}
STREAM = {
    **{name: WHOLE[name] for name in WHOLE if "stream" in FAULTS[name].applies_to},
    "stale-keepalive": ("closed", is_whole_stream),
    "comments-only": ("endless", lambda seen: seen.body.count(b": keep-alive\n\n") > 5 and not seen.payloads),
    "slow-first-token": ("silent", lambda seen: seen.deltas == [{"role": "assistant", "content": ""}]),
    "stream-drip": ("closed", lambda seen: is_whole_stream(seen) and seen.segments > 50),
    "latency-spike": ("closed", is_whole_stream),
    "stream-empty": (
        "closed",
        lambda seen: seen.status == 200 and seen.body == b"" and seen.data.endswith(b"0\r\n\r\n"),
    ),
    "stream-role-only": ("closed", lambda seen: len(seen.payloads) == 1 and seen.text == "" and seen.is_whole),
    "stream-done-only": ("closed", lambda seen: seen.payloads == ["[DONE]"] and seen.is_whole),
    "stream-error-first": ("closed", lambda seen: '"error"' in seen.payloads[0] and seen.is_whole),
    "stream-html": ("closed", lambda seen: "text/html" in seen.head and seen.body.startswith(b"<!doctype html>")),
    "stream-reset-first": ("reset", lambda seen: seen.status == 200 and seen.body == b""),
    "stream-cut": ("closed", lambda seen: is_part(seen) and not seen.is_whole),
    "stream-end-early": ("closed", lambda seen: is_part(seen) and not seen.done and seen.is_whole),
    "stream-reset": ("reset", is_part),
    "stream-stall": ("silent", is_part),
    "stream-error-event": ("closed", lambda seen: is_part(seen) and '"error"' in seen.payloads[-1]),
    "stream-error-named": ("closed", lambda seen: is_part(seen) and b'\n\nevent: error\ndata: {"error"' in seen.body),
    "stream-truncated-json": (
        "closed",
        lambda seen: (
            is_part(seen) and seen.is_whole and not seen.body.endswith(b"\n\n") and b"data: " in seen.body[-90:]
        ),
    ),
    "stream-malformed-event": ("closed", lambda seen: is_whole_stream(seen) and seen.garbage == 1),
    "stream-many-malformed": (
        "closed",
        lambda seen: seen.garbage == 3 and seen.text != TEXT and seen.text[-9:] == TEXT[-9:] and seen.done,
    ),
    "stream-bad-chunk": ("closed", lambda seen: is_part(seen) and b"\r\nzz\r\n" in seen.data),
    "stream-done-early": ("closed", lambda seen: is_part(seen) and seen.done and seen.is_whole),
    "stream-tool-cut": ("closed", lambda seen: is_part(seen) and not seen.is_whole),
    "stream-giant-event": ("endless", lambda seen: is_part(seen) and len(seen.body) > 100_000),
    "stream-no-done": ("closed", lambda seen: ends_without_done(seen) and seen.is_whole),
    "stream-finish-then-stall": ("silent", ends_without_done),
    "stream-finish-then-reset": ("reset", ends_without_done),
    "stream-no-usage": ("closed", lambda seen: is_whole_stream(seen) and '"usage"' not in seen.body.decode()),
    "stream-trailing-junk": ("closed", lambda seen: seen.done and seen.payloads[-1] != "[DONE]" and seen.is_whole),
}
CASES = [
    pytest.param(fault, kind == "stream", id=f"{fault.name}-{kind}")
    for fault in FAULTS.values()
    for kind in sorted(fault.applies_to)
]


def test_no_fault_goes_untested():
    assert set(WHOLE) | set(STREAM) == set(FAULTS)
    assert {name for name in FAULTS if "stream" in FAULTS[name].applies_to} == set(STREAM)
    assert {name for name in FAULTS if "whole" in FAULTS[name].applies_to} == set(WHOLE)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_page_tells_it(fault):
    row = f"| `{fault.name}` | {', '.join(sorted(fault.applies_to))} | {fault.title} | {fault.remedy} |\n"
    assert row in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("block", list(blocks(PAGE, "python")), ids=lambda block: block.name)
def test_the_examples_of_the_page_hold(block):
    names = {"__name__": "example"}
    exec(compile(block.code, block.name, "exec"), names)
    for name in [name for name in names if name.startswith("test_")]:
        names[name]()


@pytest.mark.parametrize(("fault", "stream"), CASES)
def test_a_fault_is_what_it_says(fault, stream, provider):
    end, is_as_told = (STREAM if stream else WHOLE)[fault.name]
    provider.fault = fault.name
    within = 0.4 if end == "endless" else 5.0
    seen = ask(provider, body_of(stream=stream, stream_options={"include_usage": True}), within=within)
    assert seen.end == end
    assert is_as_told(seen), seen
    assert provider.wait_until_idle(1.0)
    assert [request.fault for request in provider.requests] == ([] if fault.refuses else [fault.name])
    provider.fault = None
    assert is_right(ask(provider, body_of())), "it is well again"


def test_a_fault_that_does_not_apply_leaves_the_request_alone(provider):
    provider.fault = "stream-cut"
    assert is_right(ask(provider, body_of()))
    assert is_right(ask(provider, body_of(stream=False)))
    assert [request.fault for request in provider.requests] == [None, None]


def test_where_a_stream_breaks_can_be_chosen(provider):
    words = TEXT.split()
    for pieces in (0, 1, 5, 1000):
        provider.fault = FAULTS["stream-cut"].after(pieces)
        seen = ask(provider, body_of(stream=True))
        assert seen.text.split() == words[: min(pieces, len(words) - 1)]
        assert provider.requests[-1].pieces_sent == 1 + min(pieces, len(words) - 1)


def test_a_kept_connection_is_closed_under_the_second_request(provider):
    provider.fault = "stale-keepalive"
    with socket.create_connection(("127.0.0.1", provider.port)) as client:
        client.sendall(request_bytes(body_of(), close=False))
        assert is_right(read(client))
        client.sendall(request_bytes(body_of(), close=False))
        assert read(client) == Seen(b"", "closed")
    assert [request.ended for request in provider.requests] == ["answered", "broken"]


def test_a_segment_ends_inside_characters_and_line_ends(provider):
    provider.fault = FAULTS["stream-drip"].lasting(0.0005)
    with socket.create_connection(("127.0.0.1", provider.port)) as client:
        client.sendall(request_bytes(body_of(stream=True)))
        pieces = []
        while piece := client.recv(65536):
            pieces.append(piece)
    assert any(piece.endswith(b"\r") for piece in pieces)
    assert any(0x80 <= piece[0] < 0xC0 for piece in pieces)


def test_the_cut_of_a_tool_call_is_inside_its_arguments(provider):
    for pieces in (0, 3, 1000):
        provider.fault = FAULTS["stream-tool-cut"].after(pieces)
        seen = ask(provider, body_of(stream=True, tools=[TOOL]))
        calls = [call for delta in seen.deltas for call in delta.get("tool_calls", [])]
        arguments = "".join(call["function"]["arguments"] for call in calls)
        assert calls[0]["function"]["name"] == "look_up"
        assert arguments.startswith('{"')
        assert len(arguments) < len(json.dumps(tool_arguments_for(body_of())))
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(arguments)


def test_who_follows_the_redirect_is_counted(provider):
    provider.fault = "http-302"
    with httpx.Client(trust_env=False) as client:
        answer = client.post(provider.base_url + "/chat/completions", json=body_of())
        assert (answer.status_code, provider.redirect_visits) == (302, 0)
        with pytest.raises(httpx.TransportError):
            client.get(answer.headers["location"])
    assert provider.redirect_visits == 1


def test_a_refused_port_stays_its_own(provider):
    port = provider.port
    with socket.create_connection(("127.0.0.1", port)) as kept:
        kept.sendall(request_bytes(body_of(), close=False))
        assert is_right(read(kept))
        provider.fault = "connection-refused"
        assert read(kept).end == "reset", "a provider that is down keeps no connection"
    assert provider.open_connections == 0
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    provider.fault = None
    assert provider.port == port
    assert is_right(ask(provider, body_of()))
