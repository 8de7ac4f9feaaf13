"""Who is let in: tokens, addresses, endpoints, web pages."""

import asyncio

import httpx
import pytest
from meshes import config
from modelmesh_core import ConfigurationError, ModelMesh
from modelmesh_core.gateway import GatewayApp, ProxyServer
from modelmesh_core.testing import answers

TOKENS = {"auth": {"tokens": ["first-token", "second-token"]}}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-token"},
        {"authorization": "bearer second-token"},
        {"x-api-key": "first-token"},
        {"api-key": "first-token"},
        {"x-goog-api-key": "first-token"},
        {"authorization": "Bearer wrong", "x-api-key": "second-token"},
    ],
)
def test_a_token_opens_the_door_in_every_usual_form(client, headers):
    assert client(**TOKENS).get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic first-token"},
        {"authorization": "first-token"},
        {"x-api-key": "FIRST-TOKEN"},
        {"x-api-key": "first-toke"},
        {"api-key": "first-token\xff"},
    ],
)
def test_anything_else_is_refused(client, headers):
    answer = client(**TOKENS).get("/v1/models", headers={k: v.encode("latin-1") for k, v in headers.items()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert "first-token" not in answer.text


def test_a_refused_caller_learns_nothing_of_the_endpoints(client):
    http = client(**TOKENS)
    assert http.get("/v1/nothing").status_code == 401
    assert http.post("/v1/chat/completions", content=b"{").status_code == 401


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/liveness", "/health/readiness"])
def test_health_needs_no_token(client, path):
    assert client(**TOKENS).get(path).status_code == 200


def test_the_requests_of_a_token_are_counted_under_its_name(serve, upstream, chat_body):
    upstream.script("https://a.test/v1", [answers.chat()])
    server = serve(**TOKENS)
    httpx.post(f"{server.url}/v1/chat/completions", json=chat_body(), headers={"x-api-key": "second-token"})
    stats = server._mesh.stats()
    assert stats["key"]["token-2"]["requests"] == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gateway.example"])
def test_an_open_door_to_strangers_is_refused(host):
    server = ProxyServer(ModelMesh(config("a.one"), environ={}), host=host, port=0)
    with pytest.raises(ConfigurationError, match="allow_unauthenticated"):
        server.start()
    assert server.get_status()["state"] == "stopped"


@pytest.mark.parametrize("proxy", [TOKENS, {"allow_unauthenticated": True}])
def test_a_door_that_is_locked_or_meant_to_be_open_may_face_strangers(proxy):
    with ProxyServer(ModelMesh({**config("a.one"), "proxy": proxy}, environ={}), host="0.0.0.0", port=0) as server:
        assert server.get_status()["state"] == "serving"


async def test_a_reload_that_takes_the_tokens_away_locks_a_door_that_faces_strangers():
    async with ModelMesh({**config("a.one"), "proxy": TOKENS}, environ={}) as mesh:
        app = GatewayApp(mesh, host="0.0.0.0")
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            token = {"x-api-key": "first-token"}
            assert (await http.get("/v1/models", headers=token)).status_code == 200
            await asyncio.to_thread(mesh.reload_config, config("a.one"))
            assert (await http.get("/v1/models")).status_code == 401
        await app.aclose()


def test_only_the_named_endpoints_are_served(client):
    http = client(endpoints=["/v1/models"])
    assert http.get("/v1/models").status_code == 200
    assert http.get("/v1/models/a.one").status_code == 200
    refused = http.post("/v1/chat/completions", json={})
    assert refused.status_code == 404
    assert "proxy.endpoints" in refused.json()["error"]["message"]


PREFLIGHT = {
    "origin": "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,x-custom",
}


def test_web_pages_are_kept_out_unless_configured(client):
    http = client()
    assert http.options("/v1/chat/completions", headers=PREFLIGHT).status_code == 405
    assert "access-control-allow-origin" not in http.get("/v1/models", headers=PREFLIGHT).headers


def test_a_configured_page_is_let_in_without_a_token_for_its_preflight(client):
    http = client(cors={"enabled": True, "origins": ["https://app.example"]}, **TOKENS)
    preflight = http.options("/v1/chat/completions", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert preflight.headers["access-control-allow-headers"] == "authorization,x-custom"
    refused = http.get("/v1/models", headers={"origin": "https://app.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example"
    assert "x-request-id" in refused.headers["access-control-expose-headers"]


def test_another_page_is_not(client):
    http = client(cors={"enabled": True, "origins": ["https://app.example"]})
    answer = http.get("/v1/models", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"
