"""The two doors: addresses, credentials, listings, catalogues, and both within a mesh."""

import base64
import json
from urllib.parse import parse_qs

import pytest
from modelmesh_core import (
    CapabilityTree,
    ConnectorRegistry,
    FailureKind,
    ModelMesh,
    ProviderConnector,
    ProviderError,
    ProviderSettings,
    Secret,
)
from modelmesh_core.testing import FakeClock, FakeUpstream, answers
from modelmesh_google.options import VertexOptions
from modelmesh_google.provider import GeminiProvider, VertexProvider

KEY = "AIzaSyTestTestTestTest"
BASE = "https://generativelanguage.googleapis.com/v1beta"
OK = {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}


def vertex_at(location="global", project="acme-1", key="ya29.token", base_url=None, **options):
    options = VertexOptions(project=project, location=location, **options)
    return VertexProvider(
        ProviderSettings("vertex", Secret(key) if key else None, base_url, options=options), FakeClock()
    )


@pytest.fixture(scope="module")
def account():
    """A service account with a key of its own, and that key's public half."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = key.private_bytes(*form).decode()
    email = "robot@acme-1.iam.gserviceaccount.com"
    return {
        "type": "service_account",
        "client_email": email,
        "private_key": pem,
        "private_key_id": "k1",
    }, key.public_key()


# --- addresses and keys ----------------------------------------------------------------------------------------------


def test_how_gemini_is_asked(gemini, chat):
    whole, streamed = next(gemini.execute(chat())), next(gemini.execute(chat(stream=True)))

    assert (whole.method, whole.url) == ("POST", f"{BASE}/models/gemini-2.5-flash:generateContent")
    assert streamed.url == f"{BASE}/models/gemini-2.5-flash:streamGenerateContent?alt=sse" and streamed.stream
    assert whole.headers == {"content-type": "application/json", "x-goog-api-key": KEY}
    assert next(gemini.execute(chat("tunedModels/a b"))).url == f"{BASE}/tunedModels/a%20b:generateContent"


@pytest.mark.parametrize(
    ("location", "host"),
    [("global", "aiplatform"), ("europe-west4", "europe-west4-aiplatform"), ("eu", "aiplatform.eu.rep")],
)
def test_where_vertex_is_asked(chat, location, host):
    request = next(vertex_at(location).execute(chat()))
    root = f"https://{host}.googleapis.com/v1/projects/acme-1/locations/{location}"
    assert request.url == f"{root}/publishers/google/models/gemini-2.5-flash:generateContent"
    assert request.headers["authorization"] == "Bearer ya29.token" and "x-goog-api-key" not in request.headers
    assert next(vertex_at(location).execute(chat("endpoints/123"))).url == f"{root}/endpoints/123:generateContent"


def test_vertex_in_express_mode(chat):
    request = next(vertex_at(project=None, key=KEY).execute(chat()))
    assert request.url.endswith("googleapis.com/v1/publishers/google/models/gemini-2.5-flash:generateContent")
    assert request.headers["x-goog-api-key"] == KEY and "authorization" not in request.headers


def test_settings_that_cannot_work_are_refused(tmp_path):
    for base_url in (None, "", "example.com", "https://u:p@x.example", "https://x.example/?k=1", "https://[x"):
        with pytest.raises(ValueError, match="base_url"):
            GeminiProvider(ProviderSettings("google", Secret("k"), base_url))
    with pytest.raises(ValueError, match="api_key"):
        GeminiProvider(ProviderSettings("google", Secret("k\n1"), BASE))
    with pytest.raises(ValueError, match="project"):
        vertex_at(project=None)
    with pytest.raises(ValueError, match="api_key"):
        vertex_at(key=None)
    foreign = '{"type": "service_account", "client_email": "a", "private_key": "SECRET"}'
    wrong = {"{}": "type", '{"type": "service_account"}': "client_email", foreign: "PEM", "{": "JSON"}
    wrong[str(tmp_path / "none")] = "readable"
    for given, told in wrong.items():
        with pytest.raises(ValueError, match=told) as raised:
            vertex_at(key=None, service_account=Secret(given))
        assert "SECRET" not in str(raised.value)
    with pytest.raises(ValueError):
        VertexOptions(location="x.example/")


# --- service accounts ------------------------------------------------------------------------------------------------


def test_a_service_account_signs_for_a_token_and_keeps_it(account, tmp_path, play, answer, chat):
    described, public = account
    file = tmp_path / "key.json"
    file.write_text(json.dumps(described))
    provider = vertex_at(key=None, service_account=Secret(str(file)))
    granted = answer({"access_token": "ya29.fresh", "expires_in": 3599})

    requests, _ = play(provider.execute(chat()), granted, answer(OK))

    form = parse_qs(requests[0].body.decode())
    assert requests[0].url == "https://oauth2.googleapis.com/token"
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in form["assertion"][0].split("."))
    assert json.loads(head) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    now = int(FakeClock().now())
    assert json.loads(claims)["iss"] == described["client_email"]
    assert (json.loads(claims)["iat"], json.loads(claims)["exp"]) == (now, now + 3600)
    assert_signed(public, form["assertion"][0].rpartition(".")[0], signature)
    assert requests[1].headers["authorization"] == "Bearer ya29.fresh"
    assert len(play(provider.execute(chat()), answer(OK))[0]) == 1, "the token is kept"


def assert_signed(public, text, signature):
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    public.verify(signature, text.encode(), PKCS1v15(), SHA256())


def test_a_token_is_replaced_when_it_ends_or_is_refused(account, play, answer, chat):
    clock = FakeClock()
    options = VertexOptions(project="p", service_account=Secret(json.dumps(account[0])))
    provider = VertexProvider(ProviderSettings("vertex", options=options), clock)
    granted = answer({"access_token": "ya29.fresh", "expires_in": 3599})
    play(provider.execute(chat()), granted, answer(OK))

    clock.advance(3500)
    assert len(play(provider.execute(chat()), granted, answer(OK))[0]) == 2

    refused = answer({"error": {"code": 401, "message": "bad token ya29.fresh", "status": "UNAUTHENTICATED"}}, 401)
    with pytest.raises(ProviderError) as raised:
        play(provider.execute(chat()), refused)
    assert "ya29.fresh" not in str(raised.value) + repr(raised.value.failure)
    assert len(play(provider.execute(chat()), granted, answer(OK))[0]) == 2


@pytest.mark.parametrize(("status", "kind"), [(400, FailureKind.AUTHENTICATION), (503, FailureKind.SERVER)])
def test_a_refused_account(account, play, answer, chat, status, kind):
    provider = vertex_at(key=None, service_account=Secret(json.dumps(account[0])))
    body = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    with pytest.raises(ProviderError, match="Invalid JWT Signature") as raised:
        play(provider.execute(chat()), answer(body, status))
    assert raised.value.failure.kind is kind and raised.value.failure.code == "invalid_grant"


def test_an_authorized_user_needs_no_signature(play, answer, chat):
    user = {"type": "authorized_user", "client_id": "i", "client_secret": "secret-1", "refresh_token": "refresh-1"}
    provider = vertex_at(key=None, service_account=Secret(json.dumps(user)))
    requests, _ = play(provider.execute(chat()), answer({"access_token": "t", "expires_in": 60}), answer(OK))
    assert parse_qs(requests[0].body.decode())["grant_type"] == ["refresh_token"]


# --- listings and catalogues -----------------------------------------------------------------------------------------


def test_models_are_listed_page_by_page(gemini, play, answer):
    row = {"name": "models/gemini-x", "inputTokenLimit": 1000, "outputTokenLimit": 100}
    pages = answer({"models": [row, {"name": 3}], "nextPageToken": "a b"}), answer({"models": [{"name": "models/y"}]})
    requests, models = play(gemini.list_models(), *pages)

    assert [request.url for request in requests] == [
        f"{BASE}/models?pageSize=200",
        f"{BASE}/models?pageSize=200&pageToken=a+b",
    ]
    assert [model.id for model in models] == ["google.gemini-x", "google.y"]
    assert models[0].constraints.context_window == 1000 and models[0].constraints.max_output_tokens == 100


def test_a_listing_without_end_ends(gemini, answer):
    flow, count = gemini.list_models(), 0
    next(flow)
    with pytest.raises(StopIteration):
        while True:
            count += 1
            flow.send(answer({"models": [], "nextPageToken": "again"}))
    assert count < 100


def test_vertex_lists_google_s_models(play, answer):
    page = answer({"publisherModels": [{"name": "publishers/google/models/gemini-x"}]})
    requests, models = play(vertex_at().list_models(), page)
    assert requests[0].url == "https://aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=200"
    assert requests[0].headers["x-goog-user-project"] == "acme-1"
    assert [(model.id, model.upstream_model) for model in models] == [("vertex.gemini-x", "gemini-x")]


def test_the_catalogues_are_sound():
    registry = ConnectorRegistry()
    for identity, vendor in (("google.gemini.v1", "google"), ("google.vertex.v1", "vertex")):
        models = registry.connector(ProviderConnector, identity).models()
        assert len(models) > 15 and len({model.id for model in models}) == len(models)
        assert all(model.id.startswith(f"{vendor}.") and model.source and model.as_of for model in models)
        tree = CapabilityTree()
        assert all(tree.resolve(capability) for model in models for capability in model.capabilities)


# --- in a mesh -------------------------------------------------------------------------------------------------------


def test_a_mesh_asks_gemini():
    upstream = FakeUpstream()
    events = [{"candidates": [{"content": {"parts": [{"text": word}]}}]} for word in ("Hel", "lo")]
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    events.append({"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts})
    lines = [b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events]
    streamed = answers.Answer(200, b"", {"content-type": "text/event-stream"}, lines)
    whole = answers.Answer(200, json.dumps(OK).encode(), {"content-type": "application/json"})
    upstream.script(BASE, lambda request: streamed if request.stream else whole)
    mesh = ModelMesh(
        {"providers": {"google": {"api_key": KEY}}}, clock=upstream.clock, make_transport=upstream.make_transport
    )
    with mesh.initialize() as ready:
        completions = ready.get_client().chat.completions
        asked = {"model": "google.gemini-2.5-flash", "messages": [{"role": "user", "content": "Hi"}]}
        said = completions.create(**asked, logit_bias={"1": 1})
        chunks = list(completions.create(**asked, stream=True, stream_options={"include_usage": True}))

    assert said.choices[0].message.content == "ok"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello"
    assert chunks[-1].usage.total_tokens == 5 and chunks[-2].choices[0].finish_reason == "stop"


def test_both_are_found_by_their_variables(tmp_path):
    file = tmp_path / "user.json"
    file.write_text('{"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}')
    environ = {"GEMINI_API_KEY": KEY, "GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_APPLICATION_CREDENTIALS": str(file)}
    with ModelMesh(
        environ=environ, clock=FakeClock(), make_transport=FakeUpstream().make_transport
    ).initialize() as mesh:
        names = {model.id.partition(".")[0] for model in mesh.get_client().models.list().data}
    assert {"google", "vertex"} <= names
