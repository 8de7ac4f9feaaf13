"""VendorProvider, and what connectors read and write JSON and forms with."""

import pytest
from modelmesh_core import (
    FailureKind,
    FormFile,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    Secret,
    VendorProvider,
    as_count,
    as_list,
    as_number,
    as_object,
    as_objects,
    as_text,
    drop_unknown,
    file_of,
    json_bytes,
    json_text,
    media_type_of,
    poll_delays,
    redacted,
    unknown_parameters,
)
from modelmesh_core.testing import play, response


class Acme(VendorProvider):
    title = "Acme"
    error_codes = {"gone": FailureKind.MODEL_NOT_FOUND}

    def execute(self, call):
        answer = yield from self.ask(self.request("POST", "/do", json={"a": 1}, query={"q": ["1 2", "é"]}))
        if not as_text(as_object(answer.json()).get("text")):
            raise self.undecodable(answer, "a text")
        return answer


def acme(key="key-of-acme", **settings):
    return Acme(ProviderSettings("mine", Secret(key) if key else None, **settings), "https://acme.example/v1")


def failure_of(body, status, **settings):
    with pytest.raises(ProviderError) as raised:
        play(acme(**settings).execute(ProviderCall(Operation.CHAT, "m", {})), response(body, status))
    return raised.value.failure


def test_a_request_goes_below_the_base_url_with_the_key_and_the_configured_headers():
    provider = acme(base_url=" https://proxy.example/v1/ ", headers={"X-Team": Secret("a"), "Content-Type": "text/x"})
    request = next(provider.execute(ProviderCall(Operation.CHAT, "m", {})))
    assert (request.method, request.url) == ("POST", "https://proxy.example/v1/do?q=1+2&q=%C3%A9")
    assert request.body == b'{"a":1}' and dict(request.headers) == {
        "authorization": "Bearer key-of-acme",
        "x-team": "a",
        "content-type": "application/json",
    }
    assert "authorization" not in acme(key=None).headers
    assert acme(headers={"Authorization": "Own"}).headers["authorization"] == "Own"


@pytest.mark.parametrize("url", ["nowhere", "ftp://x", "https://u:p@x", "https://x?a=1", "https://x#a", "http://[::1"])
def test_a_base_url_that_cannot_work_is_refused_by_its_place(url):
    with pytest.raises(ValueError, match=r"providers\.mine\.base_url"):
        acme(base_url=url)


@pytest.mark.parametrize("key", ["schlüssel", "a\nb", "a\x00b"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key):
    with pytest.raises(ValueError, match=r"providers\.mine\.api_key") as raised:
        acme(key=key)
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "no", "code": "x1"}}, "no", "x1"),
        ({"error": "no", "error_type": "x1"}, "no", "x1"),
        ({"detail": "no"}, "no", None),
        ({"detail": {"msg": "no", "status": "x1"}}, "no", "x1"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too big", "type": "x1"}]}, "body.n: too big", "x1"),
        ({"errors": ["no", "never"]}, "no; never", None),
        ({"name": "x1", "title": "no"}, "no", "x1"),
    ],
)
def test_errors_are_read_in_the_ways_that_vendors_word_them(body, message, code):
    failure = failure_of(body, 400)
    assert (failure.message, failure.code or None, failure.status) == (message, code, 400)
    assert failure.body == body and failure.kind is FailureKind.INVALID_REQUEST


def test_the_vendors_own_codes_win_over_the_status():
    assert failure_of({"error": {"message": "no", "code": "GONE"}}, 400).kind is FailureKind.MODEL_NOT_FOUND


def test_an_error_that_tells_nothing_is_described():
    failure = failure_of(b"<html>", 503)
    assert failure.kind is FailureKind.SERVER and "503" in failure.message and failure.body == "<html>"


def test_a_quoted_key_is_hidden_but_not_a_short_one_which_is_no_secret():
    assert failure_of({"error": "wrong key key-of-acme"}, 401).message == "wrong key ***"
    assert failure_of({"error": "a model"}, 401, key="model").message == "a model"
    assert redacted(b"one secret and another", "secret", "another", "") == b"one *** and ***"


def test_a_success_without_what_it_should_have_says_what_it_has():
    failure = failure_of({"txt": 1, "id": 2}, 200)
    assert failure.kind is FailureKind.UNDECODABLE and failure.body == {"txt": 1, "id": 2}
    assert failure.message == "Acme answered HTTP 200 without a text (it has: txt, id)"
    assert failure_of({"long": "x" * 20_000}, 200).body is None


def test_an_operation_that_the_vendor_lacks():
    error = acme().unable(ProviderCall(Operation.RERANK, "m", {}))
    assert str(error).startswith("provider 'mine' is Acme, which cannot do rerank")


def test_unknown_parameters_are_those_that_could_change_an_answer():
    call = ProviderCall(Operation.CHAT, "m", {"model": "m", "user": "u", "a": 1, "b": 2, "c": None})
    assert unknown_parameters(call, frozenset({"a"})) == {"b": 2}
    drop_unknown(call, frozenset({"a"}))
    assert call.dropped == ["b"]


def test_delays_grow_to_a_longest_one():
    delays = poll_delays(1.0, 2.0)
    assert [next(delays) for _ in range(4)] == [1.0, 1.5, 2.0, 2.0]


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "x", [1], {"a": 1}])
def test_a_value_of_the_wrong_type_counts_as_absent(value):
    assert as_object(value) == (value if isinstance(value, dict) else {})
    assert as_list(value) == (value if isinstance(value, list) else [])
    assert as_text(value) == (value if isinstance(value, str) else "")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    assert as_number(value) == (value if is_number else None)
    assert as_count(value) == (int(value) if is_number else 0)


def test_numbers_that_are_none_and_rows_that_are_no_objects():
    assert [as_count(number) for number in (-1, float("inf"), float("nan"), 1e300)] == [0, 0, 0, int(1e300)]
    assert [as_number(number) for number in (float("inf"), float("nan"), 10**400)] == [None, None, None]
    assert as_objects([{"a": 1}, None, [], {"b": 2}]) == [{"a": 1}, {"b": 2}] and as_objects({"a": 1}) == []


def test_what_json_cannot_hold_is_the_callers_fault_or_the_vendors():
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    for write, kind in ((json_bytes, FailureKind.INVALID_REQUEST), (json_text, FailureKind.UNDECODABLE)):
        with pytest.raises(ProviderError) as raised:
            write(deep)
        assert raised.value.failure.kind is kind


@pytest.mark.parametrize("value", [None, "", "a path", 7, b"", "data:audio/wav;base64,%%%", "data:audio/wav;base64,"])
def test_what_is_no_file_is_refused(value):
    with pytest.raises(ProviderError, match="sound must hold a file's bytes") as raised:
        file_of(value, "sound")
    assert raised.value.failure.kind is FailureKind.INVALID_REQUEST


def test_files_have_a_name_and_a_type_that_cannot_end_their_header():
    assert file_of("data:audio/wav;base64,AAAA", "file") == FormFile(b"\0\0\0", "file", "audio/wav")
    assert file_of(bytearray(b"x"), "file", "a.txt", "a/b\r\nx: y").media_type == "application/octet-stream"


def test_files_are_known_by_their_first_bytes():
    found = [
        media_type_of(content) for content in (b"\x89PNG..", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WEBP", b"....ftyp")
    ]
    assert found == ["image/png", "audio/wav", "image/webp", "audio/mp4"]
    assert media_type_of(b"") == media_type_of(b"hello") == "application/octet-stream"


def test_an_unreadable_answer_is_described():
    error = acme().undecodable(HttpResponse(200, body=b"\xff"), "a text")
    assert "(1 bytes, )" in str(error)
