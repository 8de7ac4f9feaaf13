"""LlamaParse's second API, after its documentation: nothing of it was recorded."""

import json

import orjson
import pytest
from modelmesh_core import FailureKind, ModelMesh, ModelMeshError, Operation, ProviderError, Request
from modelmesh_core.testing import FakeUpstream, answers

URL = "https://api.cloud.llamaindex.ai"
PARSE = Operation.DOCUMENT_PARSING
PENDING = {"id": "pjb/1", "project_id": "p", "status": "PENDING", "tier": "agentic"}
DONE = {
    "job": {**PENDING, "status": "COMPLETED"},
    "markdown": {"pages": [
        {"page_number": 1, "markdown": "# One", "success": True},
        {"page_number": 2, "success": False, "error": "too blurred"},
    ]},
}  # fmt: skip


@pytest.fixture
def provider(make):
    return make("llamaindex.doc-parse.v1")


def test_upload_and_poll(provider, ask, play, answer):
    call = ask(PARSE, "agentic", file=b"%PDF", filename="r.pdf", page_ranges={"max_pages": 2}, colour="x")
    polls = [answer({"job": PENDING}), answer({"job": {**PENDING, "status": "RUNNING"}}), answer(DONE)]
    requests, reply = play(provider.execute(call), answer(PENDING), *polls)
    assert [(one.method, one.url.removeprefix(URL)) for one in requests] == [
        ("POST", "/api/v2/parse/upload"), *[("GET", "/api/v2/parse/pjb%2F1?expand=markdown")] * 3,
    ]  # fmt: skip
    assert 0 < requests[1].delay < requests[2].delay < requests[3].delay
    sent = requests[0].body.decode()
    configuration = json.loads(sent.split('name="configuration"\r\n\r\n')[1].partition("\r\n")[0])
    assert configuration == {"tier": "agentic", "version": "latest", "page_ranges": {"max_pages": 2}}
    assert 'name="file"; filename="r.pdf"' in sent and call.dropped == ["colour"]
    assert reply.body["text"] == "# One"
    assert reply.body["pages"] == [
        {"index": 0, "markdown": "# One", "images": []},
        {"index": 1, "markdown": "", "images": [], "error": "too blurred"},
    ]


def test_a_document_at_a_url_and_a_job_that_was_done_before(make, ask, play, answer):
    provider = make("llamaindex.doc-parse.v1", version="2026-01-01", project_id="p1")
    done = {**PENDING, "status": "COMPLETED"}
    items = {"job": done, "items": {"pages": [{"page_number": 1, "items": [{"type": "heading", "md": "# One"}]}]}}
    call = ask(PARSE, "agentic", url="https://a.example/r.pdf", output_format="elements")
    requests, reply = play(provider.execute(call), answer(done), answer(items))
    assert requests[0].url == f"{URL}/api/v2/parse?project_id=p1"
    assert json.loads(requests[0].body) == {
        "tier": "agentic", "version": "2026-01-01", "source_url": "https://a.example/r.pdf",
    }  # fmt: skip
    assert requests[1].url.endswith("?project_id=p1&expand=items")
    assert reply.body["elements"] == [{"page_index": 0, "type": "heading", "md": "# One"}]
    assert reply.body["text"] == "# One"


def test_the_tier_fast_makes_text(provider, ask, play, answer):
    call = ask(PARSE, "fast", file=b"x", output_format="markdown")
    text = {"job": {**PENDING, "status": "COMPLETED"}, "text": {"pages": [{"page_number": 1, "text": "One"}]}}
    requests, reply = play(provider.execute(call), answer(PENDING), answer(text))
    assert requests[1].url.endswith("expand=text") and reply.body["text"] == "One"
    assert call.dropped == ["output_format"]


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        ("FAILED", "The PDF is password protected", FailureKind.INVALID_REQUEST),
        ("FAILED", "Worker crashed", FailureKind.SERVER),
        ("CANCELLED", "", FailureKind.SERVER),
    ],
)
def test_jobs_that_fail(provider, ask, play, answer, status, told, kind):
    job = {"job": {**PENDING, "status": status, "error_message": told}}
    with pytest.raises(ProviderError, match=told or "cancelled") as caught:
        play(provider.execute(ask(PARSE, file=b"x")), answer(PENDING), answer(job))
    assert caught.value.failure.kind is kind


def test_a_document_without_any_page_that_could_be_read(provider, ask, play, answer):
    nothing = {**DONE, "markdown": {"pages": [{"page_number": 1, "success": False, "error": "too blurred"}]}}
    with pytest.raises(ProviderError, match="too blurred"):
        play(provider.execute(ask(PARSE, file=b"x")), answer(PENDING), answer(nothing))


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (401, "Invalid API Key", FailureKind.AUTHENTICATION),
        (402, "You have run out of credits", FailureKind.AUTHENTICATION),
        (422, [{"loc": ["body", "tier"], "msg": "unknown", "type": "enum"}], FailureKind.INVALID_REQUEST),
        (429, "Rate limit exceeded", FailureKind.RATE_LIMIT),
        (500, "Internal", FailureKind.SERVER),
    ],
)
@pytest.mark.parametrize("before", [[], [PENDING]])
def test_errors_at_every_step(provider, ask, play, answer, status, detail, kind, before):
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(ask(PARSE, file=b"x")), *map(answer, before), answer({"detail": detail}, status))
    assert caught.value.failure.kind is kind


async def test_a_job_that_never_ends_ends_with_the_requests_deadline():
    upstream = FakeUpstream()
    never = answers.Answer(200, orjson.dumps({**PENDING, "job": PENDING}), {"content-type": "application/json"})
    upstream.script(URL, lambda request: never)
    config = {
        "providers": {"llamaindex": {"connector": "llamaindex.doc-parse.v1", "api_key": "k"}},
        "pools": {"papers": {"models": ["llamaindex.agentic"], "deadline": "60s"}},
    }
    async with ModelMesh(config, clock=upstream.clock, make_transport=upstream.make_transport) as mesh:
        with pytest.raises(ModelMeshError, match=r"no answer within the 60 s"):
            await mesh.get_router().complete(Request(PARSE, "papers", {"file": b"%PDF"}))
    assert 55 < sum(upstream.clock.slept) < 65
