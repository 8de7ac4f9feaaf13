"""What providers keep: files, batches, stored answers. The provider that holds an object is found, and asked."""

import json

import httpx
import openai
import pytest
from meshes import config, providers
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"
FORM = (
    b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="a b"\r\n\r\n{}\r\n--y\r\n\x00\xff\r\n--x--\r\n'
)


def two():
    """Two accounts, neither with a model."""
    return {"providers": providers("a", "b")}


def json_answer(body, status=200):
    return answers.Answer(status, json.dumps(body).encode(), {"content-type": "application/json"})


def no_such(what="file"):
    error = {"message": f"No such {what}", "type": "invalid_request_error", "param": "id", "code": None}
    return json_answer({"error": error}, 404)


def holding(*ids):
    """A provider that knows the objects of these ids, and lists them."""

    def answer(request):
        path, _, query = request.url.partition("?")
        last = path.rpartition("/")[2]
        if last in ("files", "batches", "completions") and request.method == "GET":
            after = query.partition("after=")[2].partition("&")[0]
            rest = ids[ids.index(after) + 1 :] if after in ids else ids
            return json_answer({"object": "list", "data": [{"id": one} for one in rest], "has_more": False})
        named = next((one for one in ids if f"/{one}" in path), None)
        return json_answer({"id": named, "object": "file"}) if named else no_such()

    return answer


def urls(upstream):
    return [request.url for request in upstream.requests]


def test_an_upload_reaches_the_provider_byte_for_byte(client, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"id": "file-1", "object": "file"})])
    content_type = "multipart/form-data; boundary=x"
    answer = client().post("/v1/files", content=FORM, headers={"content-type": content_type})
    assert answer.json() == {"id": "file-1", "object": "file"}
    assert answer.headers["x-modelmesh-provider"] == "a"
    assert answer.headers["x-modelmesh-attempts"] == "1"
    assert "x-modelmesh-model" not in answer.headers
    (request,) = upstream.requests
    assert (request.method, request.url, request.body) == ("POST", f"{A}/files", FORM)
    assert request.headers["content-type"] == content_type
    assert request.headers["authorization"] == "Bearer k"


def test_an_upload_has_the_limit_of_every_body(client, upstream: FakeUpstream):
    answer = client(max_body="1KB").post("/v1/files", content=b"x" * 5000)
    assert answer.status_code == 413
    assert upstream.requests == []


def test_a_files_content_comes_as_it_is(client, upstream: FakeUpstream):
    upstream.script(A, [answers.Answer(200, b'{"id": 1}\n\x00', {"content-type": "application/octet-stream"})])
    answer = client().get("/v1/files/file-1/content")
    assert answer.content == b'{"id": 1}\n\x00'
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions?model=x&metadata[k]=v"),
        ("GET", "/v1/chat/completions/c-1"),
        ("POST", "/v1/chat/completions/c-1"),
        ("DELETE", "/v1/chat/completions/c-1"),
        ("GET", "/v1/chat/completions/c-1/messages?limit=3"),
        ("GET", "/v1/responses/r-1?include=x"),
        ("DELETE", "/v1/responses/r-1"),
        ("POST", "/v1/responses/r-1/cancel"),
        ("GET", "/v1/responses/r-1/input_items"),
        ("GET", "/v1/files?purpose=batch"),
        ("DELETE", "/v1/files/f-1"),
        ("POST", "/v1/batches"),
        ("GET", "/v1/batches/b-1"),
        ("POST", "/v1/batches/b-1/cancel"),
        ("DELETE", "/v1/models/ft:gpt-4o-mini:x"),
    ],
)
def test_every_call_goes_to_the_same_place_at_the_provider(client, upstream: FakeUpstream, method, path):
    upstream.script(A, [json_answer({"object": "whatever", "unknown": [1, {"x": None}]})])
    answer = client().request(method, path, content=b'{"metadata":{}}' if method == "POST" else None)
    assert answer.status_code == 200
    assert answer.json() == {"object": "whatever", "unknown": [1, {"x": None}]}
    (request,) = upstream.requests
    assert request.method == method
    expected = path.removeprefix("/v1").replace("ft:gpt-4o-mini:x", "ft%3Agpt-4o-mini%3Ax")
    assert request.url.replace("%5B", "[").replace("%5D", "]") == A + expected
    assert request.body == (b'{"metadata":{}}' if method == "POST" else None)


def test_the_provider_that_holds_an_object_is_found_once(client, upstream: FakeUpstream):
    http = client(two())
    upstream.script(A, holding())
    upstream.script(B, holding("f-2"))
    found = http.get("/v1/files/f-2")
    assert (found.status_code, found.headers["x-modelmesh-provider"]) == (200, "b")
    assert found.headers["x-modelmesh-attempts"] == "2"
    assert http.delete("/v1/files/f-2").status_code == 200
    assert urls(upstream) == [f"{A}/files/f-2", f"{B}/files/f-2", f"{B}/files/f-2"]


def test_what_is_made_at_a_provider_is_known_to_be_there(client, upstream: FakeUpstream):
    http = client(two())
    upstream.script(A, [no_such("endpoint")])
    upstream.script(B, [json_answer({"id": "f-9", "object": "file"})])
    assert http.post("/v1/files", content=b"x").headers["x-modelmesh-provider"] == "b"
    upstream.script(B, [json_answer({"id": "b-1", "object": "batch", "output_file_id": "f-10"})])
    batch = http.post("/v1/batches", json={"input_file_id": "f-9", "endpoint": "/v1/chat/completions"})
    assert batch.headers["x-modelmesh-provider"] == "b"
    http.get("/v1/files/f-10/content")
    assert [url for url in urls(upstream) if url.startswith(A)] == [f"{A}/files"]


def test_a_batch_of_a_file_that_nobody_was_seen_to_hold_finds_it(client, upstream: FakeUpstream):
    refused = {
        "error": {"message": "input file not found", "type": "invalid_request_error", "param": None, "code": None}
    }
    upstream.script(A, [json_answer(refused, 400)])
    upstream.script(B, [json_answer({"id": "b-1"})])
    answer = client(two()).post("/v1/batches", json={"input_file_id": "f-1"})
    assert (answer.status_code, answer.headers["x-modelmesh-provider"]) == (200, "b")


def test_the_caller_may_name_the_provider(client, upstream: FakeUpstream):
    http = client(two())
    upstream.script(B, [json_answer({"id": "f-1"})])
    answer = http.post("/v1/files", content=b"x", headers={"x-modelmesh-provider": "b"})
    assert (answer.status_code, urls(upstream)) == (200, [f"{B}/files"])
    wrong = http.get("/v1/files", headers={"x-modelmesh-provider": "nobody"})
    assert wrong.status_code == 404
    assert "nobody" in wrong.json()["error"]["message"]


def test_one_providers_list_follows_the_others(client, upstream: FakeUpstream):
    http = client(two())
    upstream.script(A, holding("f-1", "f-2"))
    upstream.script(B, holding("f-3"))
    first = http.get("/v1/files?purpose=batch").json()
    assert ([row["id"] for row in first["data"]], first["has_more"]) == (["f-1", "f-2"], True)
    second = http.get("/v1/files?purpose=batch&after=f-2").json()
    assert ([row["id"] for row in second["data"]], second["has_more"]) == (["f-3"], False)
    assert urls(upstream)[-1] == f"{B}/files?purpose=batch"
    assert http.get("/v1/files?after=f-3").json()["data"] == []


def test_the_sdk_walks_through_the_lists_of_all_providers(serve, upstream: FakeUpstream):
    upstream.script(A, holding("b-1", "b-2"))
    upstream.script(B, holding("b-3", "b-4"))
    with openai.OpenAI(base_url=serve(two()).url + "/v1", api_key="k", max_retries=0) as sdk:
        assert [batch.id for batch in sdk.batches.list()] == ["b-1", "b-2", "b-3", "b-4"]


def test_a_list_is_never_short_because_a_provider_failed(client, upstream: FakeUpstream):
    upstream.script(A, [answers.error(500)])
    upstream.script(B, holding("f-3"))
    answer = client(two()).get("/v1/files")
    assert answer.status_code == 500
    assert_shape(answer)


def test_a_provider_without_such_things_does_not_matter(client, upstream: FakeUpstream):
    upstream.script(A, [no_such("endpoint")])
    upstream.script(B, holding("f-3"))
    assert [row["id"] for row in client(two()).get("/v1/files").json()["data"]] == ["f-3"]


def assert_shape(answer):
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]


def test_an_object_that_nobody_holds_is_told_in_the_providers_words(client, upstream: FakeUpstream):
    upstream.script(A, holding())
    upstream.script(B, holding())
    answer = client(two()).get("/v1/files/f-1")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "No such file"
    assert_shape(answer)


def test_an_account_that_fails_says_more_than_one_that_does_not_know(client, upstream: FakeUpstream):
    upstream.script(A, holding())
    upstream.script(B, [answers.error(401, "Incorrect API key provided: sk-verysecret1")])
    answer = client(two()).get("/v1/files/f-1")
    assert answer.status_code == 401
    assert "the provider refused the gateway's key" in answer.json()["error"]["message"]
    assert "verysecret" not in answer.text


def test_the_callers_own_mistake_is_told_and_asked_of_nobody_else(client, upstream: FakeUpstream):
    bad = {
        "error": {"message": "purpose is missing", "type": "invalid_request_error", "param": "purpose", "code": None}
    }
    upstream.script(A, [json_answer(bad, 400)])
    answer = client(two()).post("/v1/files", content=b"x")
    assert (answer.status_code, answer.json()) == (400, bad)
    assert urls(upstream) == [f"{A}/files"]


@pytest.mark.parametrize("gone", [answers.error(503), answers.error(429), answers.reset(), answers.hang()])
def test_an_upload_goes_elsewhere_while_a_provider_is_down(client, upstream: FakeUpstream, gone):
    upstream.script(A, [gone])
    upstream.script(B, [json_answer({"id": "f-1"})])
    assert client(two()).post("/v1/files", content=b"x").headers["x-modelmesh-provider"] == "b"


def test_where_no_provider_keeps_anything_the_caller_is_told(client):
    settings = config("a.one")
    settings["providers"]["a"]["connector"] = "ollama.local.v1"
    answer = client(settings).get("/v1/files")
    assert answer.status_code == 404
    assert "no configured provider has files" in answer.json()["error"]["message"]
    assert_shape(answer)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/files/..%2F..%2Fadmin", "/files/..%2F..%2Fadmin"),
        ("/v1/files/%2E%2E", "/files/%2E%2E"),
        ("/v1/files/a%3Fb%23c", "/files/a%3Fb%23c"),
        ("/v1/files/%0d%0aevil: 1", "/files/%0D%0Aevil%3A%201"),
    ],
)
def test_no_id_leads_elsewhere_at_the_provider(serve, raw, upstream: FakeUpstream, path, sent):
    upstream.script("https://a.test", [json_answer({"id": "x"})])
    caller = raw(serve().port)
    target = path.replace(" ", "%20")
    caller.socket.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = caller.read_all()
    # A slash that was quoted is one more level to the server: then there is nothing of the kind.
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 404 "))
    assert urls(upstream) in ([], [A + sent])


def test_an_id_that_is_a_book_is_refused(client, upstream: FakeUpstream):
    answer = client().get("/v1/files/" + "f" * 5000)
    assert answer.status_code == 400
    assert upstream.requests == []


def test_endpoints_can_be_switched_off(client, upstream: FakeUpstream):
    http = client(config("a.one"), endpoints=["/v1/chat/completions", "/v1/models"])
    upstream.script(A, [json_answer({"id": "c-1"})])
    assert http.get("/v1/chat/completions/c-1/messages").status_code == 200
    for path in ("/v1/files", "/v1/files/f-1", "/v1/batches/b-1/cancel", "/v1/responses/r-1"):
        answer = http.request("POST" if path.endswith("cancel") else "GET", path)
        assert answer.json()["error"]["code"] == "endpoint_not_served"


def test_a_call_is_in_the_statistics(upstream: FakeUpstream):
    upstream.script(A, [json_answer({"id": "f-1"})])
    configuration = {**two(), "proxy": {"auth": {"tokens": ["a-token"]}}}
    mesh = ModelMesh(configuration, environ={}, clock=upstream.clock, make_transport=upstream.make_transport)
    with mesh, ProxyServer(mesh, port=0) as server:
        answer = httpx.get(f"{server.url}/v1/files/f-1", headers={"authorization": "Bearer a-token"})
        assert answer.status_code == 200
        stats = mesh.stats()
        assert stats["provider"]["a"]["success"] == 1
        assert stats["key"]["token-1"]["requests"] == 1
        assert mesh.get_router().in_flight == 0


def test_a_token_is_asked_for(client, upstream: FakeUpstream):
    assert client(auth={"tokens": ["a-token"]}).delete("/v1/files/f-1").status_code == 401
    assert upstream.requests == []


def test_a_deadline_holds(client, upstream: FakeUpstream):
    upstream.script(A, [answers.hang()])
    answer = client().get("/v1/files/f-1", headers={"x-modelmesh-timeout": "2s"})
    assert answer.status_code == 504
    assert upstream.clock.monotonic() < 100


def test_files_and_batches_with_the_sdk(serve, upstream: FakeUpstream):
    stored = {
        "id": "f-1",
        "object": "file",
        "bytes": 2,
        "created_at": 1,
        "filename": "x.jsonl",
        "purpose": "batch",
        "status": "processed",
    }
    upstream.script(A, [json_answer(stored)])
    with openai.OpenAI(base_url=serve().url + "/v1", api_key="k", max_retries=0) as sdk:
        made = sdk.files.create(
            file=("x.jsonl", b"{}"), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        assert (made.id, made.purpose) == ("f-1", "batch")
        assert b'name="expires_after[anchor]"' in upstream.requests[0].body
        upstream.script(A, [answers.Answer(200, b"{}\n", {"content-type": "application/octet-stream"})])
        assert sdk.files.content("f-1").read() == b"{}\n"
