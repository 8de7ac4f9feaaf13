"""Files and batches through the clients."""

import json

import pytest
from meshes import config, providers
from modelmesh_core import AuthenticationError, InvalidRequestError, NoActiveModelError, ProviderError
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"
FILE = {"id": "f-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "x.jsonl", "purpose": "batch"}
BATCH = {"id": "b-1", "object": "batch", "status": "validating", "input_file_id": "f-1", "output_file_id": None}


def json_answer(body, status=200):
    return answers.Answer(status, json.dumps(body).encode(), {"content-type": "application/json"})


@pytest.fixture
def client(make_mesh):
    return make_mesh({"providers": providers("a", "b")}).get_client()


def no_such(request):
    return json_answer({"error": {"message": "No such object", "type": "invalid_request_error"}}, 404)


def test_a_file_is_uploaded_and_a_batch_is_made_of_it_where_it_is(client, upstream: FakeUpstream, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"{}\n")
    upstream.script(B, [json_answer(FILE)])
    file = client.files.create(
        file=path, purpose="batch", expires_after={"anchor": "created_at", "seconds": 60}, modelmesh_provider="b"
    )
    assert (file.id, file.purpose, file.modelmesh.provider) == ("f-1", "batch", "b")
    body = upstream.requests[0].body
    assert b'name="purpose"\r\n\r\nbatch\r\n' in body
    assert b'name="expires_after[seconds]"\r\n\r\n60\r\n' in body
    assert b'filename="x.jsonl"' in body
    assert b"{}\n" in body
    upstream.script(B, [json_answer(BATCH)])
    batch = client.batches.create(input_file_id="f-1", endpoint="/v1/embeddings", metadata={"k": "v"})
    assert (batch.id, batch.status, batch.output_file_id) == ("b-1", "validating", None)
    assert json.loads(upstream.requests[1].body) == {
        "input_file_id": "f-1",
        "endpoint": "/v1/embeddings",
        "completion_window": "24h",
        "metadata": {"k": "v"},
    }
    assert client.batches.retrieve("b-1").id == client.batches.cancel("b-1").id == "b-1"
    assert [request.url for request in upstream.requests] == [
        f"{B}/files",
        f"{B}/batches",
        f"{B}/batches/b-1",
        f"{B}/batches/b-1/cancel",
    ]


def test_a_file_is_found_read_and_deleted(client, upstream: FakeUpstream, tmp_path):
    upstream.script(A, no_such)
    upstream.script(B, [json_answer(FILE)])
    assert client.files.retrieve("f-1").filename == "x.jsonl"
    upstream.script(B, [answers.Answer(200, b"{}\n", {"content-type": "application/octet-stream"})])
    content = client.files.content("f-1")
    assert (content.read(), content.modelmesh.provider) == (b"{}\n", "b")
    upstream.script(B, [json_answer({"id": "f-1", "object": "file", "deleted": True})])
    assert client.files.delete("f-1").deleted is True
    assert client.usage.requests == 3


def test_the_content_of_a_json_file_is_its_own_bytes(client, upstream: FakeUpstream):
    upstream.script(A, [answers.Answer(200, b'{"b": 1,  "a": 2}', {"content-type": "application/json"})])
    assert client.files.content("f-1").read() == b'{"b": 1,  "a": 2}'


def test_pages_go_on_from_one_provider_to_the_next(client, upstream: FakeUpstream):
    def page(*rows):
        return json_answer({"object": "list", "data": [{**FILE, "id": row} for row in rows], "has_more": False})

    upstream.script(A, lambda request: page() if "after=f-2" in request.url else page("f-1", "f-2"))
    upstream.script(B, [page("f-3")])
    first = client.files.list(purpose="batch", limit=10)
    assert [file.id for file in first] == ["f-1", "f-2"]
    second = client.files.list(purpose="batch", limit=10, after="f-2")
    assert ([file.id for file in second], second.has_more) == (["f-3"], False)
    assert upstream.requests[-1].url == f"{B}/files?purpose=batch&limit=10"


async def test_the_asynchronous_client_does_the_same(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [json_answer(FILE)])
    client = make_mesh({"providers": providers("a")}).get_async_client()
    made = await client.files.create(file=b"{}\n", purpose="batch")
    assert (await client.files.retrieve(made.id)).modelmesh.attempts[0].status == "success"
    upstream.script(A, [json_answer({"object": "list", "data": [BATCH], "has_more": False})])
    assert [batch.id for batch in await client.batches.list()] == ["b-1"]


def test_mistakes_are_told_in_the_providers_words(client, upstream: FakeUpstream):
    upstream.script(A, no_such)
    upstream.script(B, no_such)
    with pytest.raises(InvalidRequestError, match="No such object") as told:
        client.files.retrieve("f-1")
    assert (told.value.status_code, told.value.provider) == (404, "a")
    upstream.script(B, [answers.error(401, "wrong key")])
    with pytest.raises(AuthenticationError):
        client.files.retrieve("f-1")
    assert client.usage.failed == 2


@pytest.mark.parametrize("wrong", ["", ".", ".."])
def test_what_is_no_id_is_refused(client, upstream: FakeUpstream, wrong):
    with pytest.raises(ValueError, match="id"):
        client.files.delete(wrong)
    assert upstream.requests == []


def test_where_nobody_keeps_files_it_is_said(make_mesh):
    settings = config("a.one")
    settings["providers"]["a"]["connector"] = "vllm.local.v1"
    with pytest.raises(NoActiveModelError, match="no configured provider has files"):
        make_mesh(settings).get_client().files.list()


def test_a_holder_that_has_it_no_more_is_not_the_last_word(client, upstream: FakeUpstream):
    upstream.script(A, [json_answer(FILE)])
    client.files.retrieve("f-1")
    upstream.script(A, no_such)
    upstream.script(B, [json_answer(FILE)])
    assert client.files.retrieve("f-1").modelmesh.provider == "b"


def test_in_flight_returns_to_zero(make_mesh, upstream: FakeUpstream):
    mesh = make_mesh({"providers": providers("a")})
    upstream.script(A, [answers.error(500), json_answer(FILE)])
    with pytest.raises(ProviderError, match="it broke"):
        mesh.get_client().files.retrieve("f-1")
    mesh.get_client().files.retrieve("f-1")
    assert mesh.get_router().in_flight == 0
