"""Several processes behind one address: one truth among them, and nothing lost when one dies."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from crowd import Caller, crowd
from loopback import CHUNKED_HEAD, Exchange, Loopback, chunk, reply
from meshes import chat_models
from modelmesh_core.cli import main

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "a.one", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
USAGE = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
WHOLE = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "one",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
).encode()


class Gateway:
    """``modelmesh serve`` with two workers, and what it says."""

    def __init__(self, folder: Path, port: int, log: Path) -> None:
        self.file = folder / "modelmesh.yaml"
        settings = {
            "providers": {"a": {"connector": "modelmesh.openai-compatible.v1", "base_url": f"http://127.0.0.1:{port}"}},
            "models": chat_models("a.one"),
            "storage": {"connector": "modelmesh.sqlite.v1", "path": str(folder / "state.db")},
            "observability": {"statistics": {"connector": "prometheus.metrics.v1"}},
            "proxy": {"port": 0, "workers": 2, "auth": {"keys": True, "tokens": ["watcher-token"]}},
        }
        settings["providers"]["a"]["api_key"] = "k"
        settings["models"]["a.one"]["pricing"] = {"input": 100, "output": 100}
        self.file.write_text(json.dumps(settings))
        self._log = log
        self.process: subprocess.Popen[bytes]
        self.url = ""

    def key(self, *words: str) -> str:
        """The token of a new key."""
        told = subprocess.run(
            [sys.executable, "-m", "modelmesh_core.cli", "keys", "create", *words, "--config", str(self.file)],
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.strip()

    def start(self) -> None:
        command = [sys.executable, "-m", "modelmesh_core.cli", "serve", "--config", str(self.file), "--verbose"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        self.url = self.said(r"workers are serving on (http://\S+)")[0]
        for _ in range(2):
            self.said(r"(?s)ready after.*ready after")

    def said(self, pattern: str) -> list[str]:
        """What the log says that matches, as soon as it does."""
        deadline = time.monotonic() + 60
        while not (found := re.findall(pattern, self._log.read_text())):
            assert time.monotonic() < deadline and self.process.poll() is None, self._log.read_text()
            time.sleep(0.05)
        return found

    @property
    def workers(self) -> list[int]:
        """Process ids of those that were started, in order."""
        return [int(number) for number in re.findall(r"worker (\d+) is started", self._log.read_text())]

    def quota(self, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], float]:
        """(account, measure) → what is used, as the storage says."""
        capsys.readouterr()
        assert main(["quota", "--config", str(self.file), "--json"]) == 0
        return {(row["account"], row["measure"]): row["used"] for row in json.loads(capsys.readouterr().out)}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Any]:
    made: list[Gateway] = []

    def make(port: int) -> Gateway:
        made.append(Gateway(tmp_path, port, tmp_path / "log"))
        return made[0]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
            try:
                one.process.wait(20)
            except subprocess.TimeoutExpired:
                one.process.kill()
        for worker in one.workers:
            assert not is_alive(worker), "no worker outlives its gateway"


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def upstream(delay: float = 0.0, chunks: int = 0, pause: float = 0.05) -> AsyncIterator[Loopback]:
    """Answers chat completions, streams in so many chunks."""

    async def answer(exchange: Exchange) -> None:
        if not json.loads(exchange.body).get("stream"):
            await asyncio.sleep(delay)
            await exchange.send(reply(WHOLE, head="content-type: application/json"))
            return
        await exchange.send(CHUNKED_HEAD)
        for number in range(chunks):
            finish = "stop" if number == chunks - 1 else None
            event: dict[str, Any] = {
                "id": "x",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "one",
                "choices": [{"index": 0, "delta": {"content": f"{number} "}, "finish_reason": finish}],
            }
            await exchange.send(chunk(f"data: {json.dumps(event)}\n\n".encode()))
            await asyncio.sleep(pause)
        event = {"id": "x", "object": "chat.completion.chunk", "created": 1, "choices": [], "usage": USAGE}
        await exchange.send(chunk(f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()) + chunk(b""))

    async with Loopback(answer) as server:
        yield server


async def test_ten_thousand_requests_of_a_key_limited_to_a_thousand(gateway):
    async with upstream() as server:
        running = gateway(server.port)
        token = await asyncio.to_thread(running.key, "--name", "team", "--rpd", "1000")
        await asyncio.to_thread(running.start)
        counted = await crowd(running.url, CHAT, BODY, total=10_000, callers=32, token=token)
        assert counted == {200: 1000, 429: 9000}
        assert len(server.requests) == 1000


async def test_one_of_two_workers_is_killed(gateway, capsys):
    """The other serves on, a third takes its place, and every cent of an answered request is counted."""
    async with upstream(delay=0.01) as server:
        running = gateway(server.port)
        token = await asyncio.to_thread(running.key, "--name", "team", "--budget", "1000/day", "--rpd", "100000")
        await asyncio.to_thread(running.start)
        first, second = running.workers
        load = asyncio.create_task(crowd(running.url, CHAT, BODY, total=3000, callers=16, token=token))
        await asyncio.sleep(0.5)
        os.kill(first, signal.SIGKILL)
        counted = await load
        assert set(counted) <= {200, "broken"} and counted["broken"] <= 16
        await asyncio.to_thread(running.said, rf"worker {first} ended \(by SIGKILL\) and is replaced")
        assert is_alive(second) and len(running.workers) == 3
        await asyncio.to_thread(running.said, r"(?s)ready after.*ready after.*ready after")
        assert (await crowd(running.url, CHAT, BODY, total=50, callers=4, token=token))[200] == 50
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.process.wait, 30) == 0
    used = await asyncio.to_thread(running.quota, capsys)
    answered = counted[200] + 50
    # Requests of the killed one that had their answer from the provider, but did not give it to a caller, may count.
    assert answered <= used["key:team", "requests"] <= answered + counted["broken"]
    assert used["key:team/budget", "USD"] == pytest.approx(used["key:team", "requests"] * 0.001)


def scraped(url: str, name: str) -> float:
    """The sum of a counter over its series, as any one of the workers tells it."""
    answer = httpx.get(f"{url}/metrics", headers={"authorization": "Bearer watcher-token"})
    assert answer.status_code == 200
    return sum(float(line.rpartition(" ")[2]) for line in answer.text.splitlines() if line.startswith(name + "{"))


async def test_metrics_are_the_sum_over_workers_and_never_fall(gateway):
    async with upstream() as server:
        running = gateway(server.port)
        token = await asyncio.to_thread(running.key, "--name", "team")
        await asyncio.to_thread(running.start)

        async def counted(wanted: int) -> None:
            """Every scrape tells the same, whichever worker it comes to, as soon as all is taken in."""
            deadline = time.monotonic() + 15
            seen: list[float] = []
            while seen[-6:] != [wanted] * 6:
                assert time.monotonic() < deadline, seen
                seen.append(await asyncio.to_thread(scraped, running.url, "modelmesh_requests_total"))

        await crowd(running.url, CHAT, BODY, total=400, callers=16, token=token)
        await counted(400)
        await asyncio.sleep(2.5)  # a worker leaves what it counted on the disk every two seconds
        first = running.workers[0]
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(running.said, rf"worker {first} ended")
        await asyncio.to_thread(running.said, r"(?s)ready after.*ready after.*ready after")
        await counted(400)
        await crowd(running.url, CHAT, BODY, total=100, callers=8, token=token)
        await counted(500)


async def test_no_stream_is_cut_by_an_orderly_end(gateway):
    async with upstream(chunks=20) as server:
        running = gateway(server.port)
        token = await asyncio.to_thread(running.key, "--name", "team")
        await asyncio.to_thread(running.start)
        callers = [Caller(running.url, token) for _ in range(100)]
        streams = [asyncio.create_task(caller.post(CHAT, {**BODY, "stream": True})) for caller in callers]
        while len(server.requests) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        running.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*streams)
        assert all(answer.is_whole_stream for answer in answers)
        assert await asyncio.to_thread(running.process.wait, 30) == 0


async def test_workers_end_with_a_parent_that_is_killed(gateway):
    async with upstream() as server:
        running = gateway(server.port)
        await asyncio.to_thread(running.start)
        workers = running.workers
        running.process.kill()
        running.process.wait()
        deadline = time.monotonic() + 20
        while any(map(is_alive, workers)) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert not any(map(is_alive, workers))


async def test_a_revoked_key_is_refused_by_every_worker(gateway):
    async with upstream() as server:
        running = gateway(server.port)
        token = await asyncio.to_thread(running.key, "--name", "team")
        await asyncio.to_thread(running.start)
        assert set(await crowd(running.url, CHAT, BODY, total=40, callers=8, token=token)) == {200}
        assert await asyncio.to_thread(main, ["keys", "revoke", "team", "--config", str(running.file)]) == 0
        deadline = time.monotonic() + 10
        while set(await crowd(running.url, CHAT, BODY, total=40, callers=8, token=token)) != {401}:
            assert time.monotonic() < deadline


def test_workers_that_cannot_start_end_the_gateway_with_the_reason(tmp_path):
    file = tmp_path / "modelmesh.yaml"
    settings = {
        "providers": {"a": {"connector": "modelmesh.openai-compatible.v1", "api_key": "${env:NOT_SET_ANYWHERE}"}},
        "models": chat_models("a.one"),
        "proxy": {"port": 0, "workers": 2},
    }
    file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "modelmesh_core.cli", "serve", "--config", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "NOT_SET_ANYWHERE" in ended.stderr
    assert "workers do not start" in ended.stderr


def test_workers_need_a_storage_that_they_can_share(tmp_path):
    file = tmp_path / "modelmesh.yaml"
    settings = {
        "providers": {"a": {"connector": "modelmesh.openai-compatible.v1", "base_url": "http://127.0.0.1:9"}},
        "storage": {"connector": "modelmesh.memory.v1"},
        "proxy": {"port": 0, "workers": 2},
    }
    file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "modelmesh_core.cli", "serve", "--config", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert "share" in ended.stderr
