"""The server's life: start, health, drain, stop, reload, signals."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from meshes import config
from modelmesh_core import ModelMesh, ModelMeshError
from modelmesh_core.gateway import GatewayApp, GatewayLimits, ProxyServer
from modelmesh_core.testing import FakeUpstream, answers

CHAT = "/v1/chat/completions"
BASE = "https://a.test/v1"


def test_start_returns_when_it_serves_and_stop_when_it_has_ended(serve):
    server = serve()
    assert httpx.get(f"{server.url}/health/ready").json() == {"status": "ready"}
    assert server.get_status()["state"] == "serving"
    assert server.get_status()["uptime"] > 0
    server.stop()
    assert server.get_status() == {"state": "stopped", "url": None, "in_flight": 0, "served": 0, "uptime": 0.0}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health/live")


def test_starting_and_stopping_twice_changes_nothing(serve):
    server = serve()
    port = server.port
    assert server.start().port == port
    server.stop()
    server.stop()
    assert httpx.get(f"{server.start().url}/health").status_code == 200


def test_a_mesh_that_ran_before_goes_on(upstream):
    upstream.script(BASE, [answers.chat()])
    with ModelMesh(config("a.one"), environ={}, make_transport=upstream.make_transport) as mesh:
        with ProxyServer(mesh, port=0):
            pass
        assert mesh.get_router().list_pools()


def test_a_mesh_that_the_server_started_ends_with_it(upstream):
    mesh = ModelMesh(config("a.one"), environ={}, make_transport=upstream.make_transport)
    with ProxyServer(mesh, port=0):
        assert mesh.get_router().list_pools()
    with pytest.raises(ModelMeshError, match="not initialized"):
        mesh.get_router()


def test_host_and_port_come_from_the_configuration():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {**config("a.one"), "proxy": {"host": "localhost", "port": port}}
    with ProxyServer(ModelMesh(settings, environ={})) as server:
        assert server.port == port


def test_a_taken_port_is_an_error_that_says_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ProxyServer(ModelMesh(config("a.one"), environ={}), port=taken.getsockname()[1])
        with pytest.raises(ModelMeshError, match=r"cannot listen on 127\.0\.0\.1"):
            server.start()
    assert server.get_status()["state"] == "stopped"


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "httptools", None)
    for name in ("http_connection", "http_server"):
        monkeypatch.delitem(sys.modules, f"modelmesh_core.gateway.{name}", raising=False)
    with pytest.raises(ModelMeshError, match=r"pip install 'modelmesh-core\[gateway\]'"):
        ProxyServer(ModelMesh(config("a.one"), environ={}), port=0).start()


async def test_health_before_and_after_the_mesh_runs_and_while_draining(upstream, chat_body):
    upstream.script(BASE, [answers.chat()])
    mesh = ModelMesh(config("a.one"), environ={}, make_transport=upstream.make_transport)
    app = GatewayApp(mesh)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]

    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:

        async def health(which):
            answer = await http.get(f"/health/{which}")
            return answer.status_code, answer.json()["status"]

        assert await health("ready") == (503, "starting")
        assert await health("live") == (200, "live")
        early = await http.post(CHAT, json=chat_body())
        assert early.status_code == 503
        assert early.json()["error"]["code"] == "starting"
        async with mesh:
            assert await health("ready") == (200, "ready")
            app.drain()
            assert await health("ready") == (503, "draining")
            assert await health("live") == (200, "live")
            late = await http.post(CHAT, json=chat_body())
            assert late.status_code == 200
            assert late.headers["connection"] == "close"


@pytest.fixture
def held_stream(live, raw, chat_body):
    """Begins a stream through a gateway that goes on when ``release`` is set."""
    release = threading.Event()

    def speak(call):
        call.begin_stream()
        call.say("first")
        release.wait(10)
        call.say("second")
        call.end_stream()

    live.behaviour = speak

    def begin(server):
        caller = raw(server.port)
        caller.post(chat_body(stream=True))
        caller.read_until(b"first")
        return caller

    yield begin, release
    release.set()


def test_a_drain_lets_streams_end_and_takes_no_new_connections(serve, live, held_stream):
    begin, release = held_stream
    server = serve(live.config(), live=True)
    caller = begin(server)
    with ThreadPoolExecutor() as pool:
        stopped = pool.submit(server.stop)
        deadline = time.monotonic() + 5
        refused = False
        while not refused and time.monotonic() < deadline:
            try:
                httpx.get(f"{server.url}/health/ready")
            except httpx.TransportError:
                refused = True
        assert refused
        assert server.get_status()["state"] == "draining"
        assert not stopped.done()
        release.set()
        rest = caller.read_all()
        assert b"second" in rest
        assert b"[DONE]" in rest
        stopped.result(5)
    assert server.get_status()["state"] == "stopped"


def test_a_stream_that_outlasts_the_drain_ends_in_an_error(serve, live, held_stream):
    begin, _ = held_stream
    server = serve(live.config(), live=True, limits=GatewayLimits(drain=0.2))
    caller = begin(server)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 5
    rest = caller.read_all()
    assert b'"code":"shutting_down"' in rest
    assert b"[DONE]" not in rest


def test_a_whole_call_that_outlasts_the_drain_is_told(serve, live, chat_body):
    asked = threading.Event()

    def keep_silent(call):
        asked.set()
        call.wait_until_closed(10)

    live.behaviour = keep_silent
    server = serve(live.config(), live=True, limits=GatewayLimits(drain=0.2))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, f"{server.url}{CHAT}", json=chat_body())
        assert asked.wait(5)
        server.stop()
        assert answer.result(5).status_code == 503
        assert answer.result(5).json()["error"]["code"] == "shutting_down"


def test_a_reload_is_followed_at_once_and_fails_no_request(serve, upstream, chat_body):
    upstream.script(BASE, [answers.chat("a")])
    upstream.script("https://b.test/v1", [answers.chat("b")])
    server = serve(auth={"tokens": ["old-token"]})
    mesh = server._mesh
    statuses = []

    def ask_on(until):
        with httpx.Client(base_url=server.url) as http:
            while not until.is_set():
                token = {"authorization": "Bearer old-token", "x-api-key": "new-token"}
                statuses.append(http.post(CHAT, json=chat_body(), headers=token).status_code)

    done = threading.Event()
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask_on, done)
        for name, token in (("b.two", "new-token"), ("a.one", "old-token"), ("b.two", "new-token")):
            mesh.reload_config({**config(name), "proxy": {"auth": {"tokens": [token]}}})
            time.sleep(0.1)
        done.set()
        asking.result(5)
    assert set(statuses) == {200}
    last = httpx.post(f"{server.url}{CHAT}", json=chat_body(), headers={"x-api-key": "new-token"})
    assert last.headers["x-modelmesh-model"] == "b.two"
    assert httpx.get(f"{server.url}/v1/models", headers={"x-api-key": "old-token"}).status_code == 401


def test_a_request_whose_body_outlasts_a_reload_is_served_by_the_new_engine(serve, upstream, raw, chat_body):
    upstream.script("https://b.test/v1", [answers.chat("b")])
    server = serve()
    caller = raw(server.port)
    body = json.dumps(chat_body()).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    caller.socket.sendall(head.encode() + body[:10])
    while server.get_status()["in_flight"] == 0:
        time.sleep(0.005)
    server._mesh.reload_config(config("b.two"))
    caller.socket.sendall(body[10:])
    answer = caller.read_all()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"x-modelmesh-model: b.two" in answer


@pytest.mark.parametrize("engine", ["httpx", "pyreqwest", "httptools"])
@pytest.mark.parametrize("ending", ["reload", "stop"])
def test_connections_to_providers_are_closed_by_the_loop_that_opened_them(live, chat_body, engine, ending):
    with ModelMesh({**live.config(), "http_engine": engine}, environ={}) as mesh:
        server = ProxyServer(mesh, port=0).start()
        assert httpx.post(f"{server.url}{CHAT}", json=chat_body()).status_code == 200
        assert live.open_connections == 1
        if ending == "reload":
            mesh.reload_config(config("b.two"))
            httpx.get(f"{server.url}/health")
        else:
            server.stop()
        deadline = time.monotonic() + 3
        while live.open_connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert live.open_connections == 0
        server.stop()


def test_the_app_refuses_what_is_no_http():
    async def run():
        await GatewayApp(ModelMesh({}, environ={}))({"type": "websocket"}, None, None)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(run())


SCRIPT = """
import logging, sys
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
ProxyServer(ModelMesh(sys.argv[1], environ={})).serve_forever()
print("the end", flush=True)
"""


@pytest.fixture
def process(tmp_path, live):
    """A gateway in a process of its own: (process, path of its configuration, its URL)."""
    path = tmp_path / "modelmesh.yaml"
    path.write_text(json.dumps({**live.config(), "proxy": {"port": 0}}))  # JSON is YAML
    running = subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("serving on "):
            break
    yield running, path, line.removeprefix("serving on ").strip()
    running.kill()
    running.wait()
    running.stdout.close()


def read_until(process, text):
    for line in process.stdout:
        if text in line:
            return line
    pytest.fail(f"it never said {text!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_the_process(process, held_stream, number):
    begin, release = held_stream
    running, _, url = process
    server = type("Address", (), {"port": int(url.rpartition(":")[2])})
    caller = begin(server)
    running.send_signal(number)
    time.sleep(0.3)
    assert running.poll() is None
    release.set()
    assert b"[DONE]" in caller.read_all()
    read_until(running, "the end")
    assert running.wait(5) == 0


def test_a_second_signal_hurries(process, held_stream):
    begin, _ = held_stream
    running, _, url = process
    caller = begin(type("Address", (), {"port": int(url.rpartition(":")[2])}))
    running.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    running.send_signal(signal.SIGTERM)
    assert b"shutting_down" in caller.read_all()
    assert running.wait(5) == 0


def test_sighup_reads_the_configuration_again(process, live):
    running, path, url = process
    path.write_text("pools: [")
    running.send_signal(signal.SIGHUP)
    read_until(running, "was not reloaded")
    assert httpx.get(f"{url}/v1/models/a.one").status_code == 200
    changed = config("a.two")
    changed["providers"]["a"]["base_url"] = live.base_url
    path.write_text(json.dumps(changed))
    running.send_signal(signal.SIGHUP)
    read_until(running, "was reloaded")
    assert httpx.get(f"{url}/v1/models/a.two").status_code == 200
    assert httpx.get(f"{url}/v1/models/a.one").status_code == 404


def test_one_gateway_serves_many_at_once(serve, chat_body):
    upstream = FakeUpstream()
    upstream.script(BASE, [answers.chat("x")])
    with ProxyServer(ModelMesh(config("a.one"), environ={}, make_transport=upstream.make_transport), port=0) as server:
        with httpx.Client(base_url=server.url) as http, ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(http.post, CHAT, json=chat_body()) for _ in range(200)]
            assert {answer.result().status_code for answer in asked} == {200}
        assert server.get_status()["served"] == 200
        assert server.get_status()["in_flight"] == 0
