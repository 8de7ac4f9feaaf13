"""Large uploads lie on disk on their way: whole at the provider, nothing of them in memory, nothing left behind."""

import asyncio
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from loopback import Exchange, Loopback, reply
from modelmesh_core import ConnectorRegistry, InProcessProvider, Operation, ProviderConnector, Reply

MB = 1024 * 1024
PATH = "/v1/audio/transcriptions"
SEED = os.urandom(MB)
HEARD = reply(b'{"text": "heard"}', head="content-type: application/json")


class Sound:
    """A file of so many bytes that is read piece by piece."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = SEED[: min(self._left, size if size > 0 else MB, MB)]
        self._left -= len(data)
        self.digest.update(data)
        return data


def digest_of_file(exchange: Exchange) -> str:
    """Of what stands between the head of the part ``file`` and the boundary after it."""
    boundary = exchange.headers["content-type"].partition("boundary=")[2].encode()
    start = exchange.body.index(b"\r\n\r\n", exchange.body.index(b'name="file"')) + 4
    return hashlib.sha256(exchange.body[start : exchange.body.index(b"\r\n--" + boundary, start)]).hexdigest()


def settings(*ports: int, **more):
    providers = {
        name: {
            "connector": "modelmesh.openai-compatible.v1",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "api_key": "k" * 20,
        }
        for name, port in zip("ab", ports, strict=False)
    }
    models = {f"{name}.hear": {"provider": name, "capabilities": ["speech-to-text"]} for name in providers}
    retry = {"max_attempts": 1}
    return {
        "providers": providers,
        "models": models,
        "pools": {"hear": {"models": list(models), "retry": retry}},
        "proxy": {"port": 0, "max_body": "100MB"},
        **more,
    }


@contextmanager
def served(folder: Path, configuration):
    """(base URL, process id) of ``modelmesh serve``."""
    file, log = folder / "modelmesh.yaml", folder / "log"
    file.write_text(json.dumps(configuration))
    command = [sys.executable, "-m", "modelmesh_core.cli", "serve", "--config", str(file), "--verbose"]
    with log.open("wb") as into:
        process = subprocess.Popen(command, stdout=into, stderr=into)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"serving on (http://\S+)", log.read_text())):
            assert time.monotonic() < deadline and process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield found[1], process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def peak(pid: int) -> int:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def upload(http: httpx.AsyncClient, size: int) -> tuple[httpx.Response, str]:
    sound = Sound(size)
    pieces = encoded(sound)
    headers = {"content-type": "multipart/form-data; boundary=xyz"}
    answer = await http.post(PATH, content=pieces, headers=headers)
    return answer, sound.digest.hexdigest()


async def encoded(sound: Sound):
    yield b'--xyz\r\ncontent-disposition: form-data; name="model"\r\n\r\nhear\r\n'
    yield b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n'
    while data := sound.read():
        yield data
    yield b"\r\n--xyz--\r\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells of memory and open files")
@pytest.mark.parametrize("engine", ["httpx", "httptools", "pyreqwest"])
async def test_it_arrives_whole_and_the_gateway_does_not_grow(engine, tmp_path):
    heard: list[str] = []

    async def hear(exchange: Exchange) -> None:
        heard.append(digest_of_file(exchange))
        await exchange.send(HEARD)

    async with Loopback(hear) as provider:
        with served(tmp_path, settings(provider.port, http_engine=engine)) as (url, pid):
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                answer, digest = await upload(http, 3 * MB)  # whatever is needed once
                assert (answer.json(), heard) == ({"text": "heard"}, [digest])
                before, files = peak(pid), open_files(pid)
                answer, digest = await upload(http, 60 * MB)
                assert answer.json() == {"text": "heard"}
                assert heard[1] == digest
                assert peak(pid) - before < 20 * MB
                for _ in range(200):  # they are closed just after the answer
                    if open_files(pid) <= files:
                        break
                    await asyncio.sleep(0.01)
                assert open_files(pid) <= files


async def test_the_next_provider_gets_all_of_it_again(serve):
    heard: list[str] = []

    async def fail(exchange: Exchange) -> None:
        heard.append(digest_of_file(exchange))
        await exchange.send(reply(b"{}", status="500 Internal Server Error"))

    async def hear(exchange: Exchange) -> None:
        heard.append(digest_of_file(exchange))
        await exchange.send(HEARD)

    async with Loopback(fail) as first, Loopback(hear) as second:
        server = serve(settings(first.port, second.port), live=True)
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            answer, digest = await upload(http, 5 * MB)
    assert answer.json() == {"text": "heard"}
    assert answer.headers["x-modelmesh-attempts"] == "2"
    assert heard == [digest, digest]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells of open files")
async def test_nothing_is_left_of_a_caller_who_leaves_in_the_middle(serve):
    async with Loopback() as provider:
        server = serve(settings(provider.port), live=True)
        async with httpx.AsyncClient(base_url=server.url) as http:
            assert (await http.get("/v1/models")).status_code == 200
        served, files = server.get_status()["served"], open_files(os.getpid())
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {50 * MB}\r\n"
            caller.sendall(head.encode() + b"content-type: multipart/form-data; boundary=x\r\n\r\n" + SEED * 4)
        for _ in range(1000):
            if server.get_status()["served"] > served:
                break
            await asyncio.sleep(0.01)
        assert server.get_status()["served"] == served + 1
        assert open_files(os.getpid()) <= files
        assert provider.requests == []


async def test_more_than_is_allowed_is_refused_before_it_has_all_come(serve):
    async with Loopback() as provider:
        server = serve({**settings(provider.port), "proxy": {"port": 0, "max_body": "5MB"}}, live=True)
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            answer, _ = await upload(http, 20 * MB)
    assert answer.status_code == 413
    assert "max_body" in answer.json()["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize("size", [1000, 3 * MB])
async def test_a_connector_that_wants_bytes_gets_bytes(size, serve):
    got: list[object] = []

    class Listener(InProcessProvider):
        operations = frozenset({Operation.TRANSCRIPTION})

        async def execute(self, call):
            got.append(call.body["file"])
            return Reply({"text": "heard"})

    registry = ConnectorRegistry()
    registry.register(ProviderConnector("acme.listener.v1", lambda settings: Listener()))
    configuration = {
        "providers": {"a": {"connector": "acme.listener.v1", "api_key": "k" * 20}},
        "models": {"a.hear": {"provider": "a", "capabilities": ["speech-to-text"]}},
        "pools": {"hear": {"models": ["a.hear"]}},
        "proxy": {"port": 0},
    }
    server = serve(configuration, live=True, registry=registry)
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        answer, digest = await upload(http, size)
    assert answer.json() == {"text": "heard"}
    assert [hashlib.sha256(data).hexdigest() for data in got if isinstance(data, bytes)] == [digest]


async def test_a_full_disk_is_told_as_such(serve, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("modelmesh_core.wire.stored.Spool.append", full)
    async with Loopback() as provider:
        server = serve(settings(provider.port), live=True)
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            answer, _ = await upload(http, 5 * MB)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "no_room"
    assert "No space left" not in answer.text
    assert provider.requests == []
