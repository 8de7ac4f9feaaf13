"""The gateways that are compared: how each is installed and started. Their configurations stand beside this file."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from load import TOKEN, Target, ask, is_answer
from processes import Process, free_port

HERE = Path(__file__).parent
KEY = "upstream-key"
Command = Callable[[Path, int, int], "list[str | Path]"]
"""(folder of the run, port, upstream's port) → what starts the peer."""


@dataclass(frozen=True)
class Peer:
    """A gateway, and how to have it."""

    name: str
    command: Command
    program: Callable[[], str | None]
    """Path of the program; None if it is not installed."""
    install: str
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Callable[[Path, int], dict[str, str]] = lambda folder, upstream: {}
    """More request headers, for the folder of the run, where its configuration is, and the upstream's port."""


def configuration(name: str, folder: Path, port: int, upstream_port: int = 0, **more: str) -> Path:
    """The configuration ``name``, filled in, in the folder of the run."""
    text = (HERE / name).read_text()
    values = {"PORT": port, "UPSTREAM_PORT": upstream_port, "FOLDER": folder, "TOKEN": TOKEN, "KEY": KEY, **more}
    for word, value in values.items():
        text = text.replace(f"@{word}@", str(value))
    made = folder / name
    made.write_text(text)
    return made


def installed_in() -> Path:
    """Where ``--install-peers`` put them: GATEWAY_PEERS, else a folder in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("GATEWAY_PEERS") or Path(cache) / "modelmesh-benchmark-peers")


def _beside(path: str) -> Callable[[], str | None]:
    def find() -> str | None:
        found = installed_in() / path
        return str(found) if found.exists() else None

    return find


def nginx() -> str | None:
    """Debian keeps it where users do not look."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _uvicorn() -> str | None:
    return sys.executable if importlib.util.find_spec("uvicorn") is not None else None


def _modelmesh(folder: Path, port: int, upstream: int) -> list[str | Path]:
    config = configuration("modelmesh.yaml", folder, port, upstream)
    return [Path(sys.executable).with_name("modelmesh"), "serve", "--config", config]


def _modelmesh_key(folder: Path, upstream: int) -> dict[str, str]:
    """A key of its own, as a team's callers have."""
    program = Path(sys.executable).with_name("modelmesh")
    name = f"benchmark-{secrets.token_hex(4)}"
    command = [program, "keys", "create", "--config", folder / "modelmesh.yaml", "--name", name, "--json"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {"authorization": f"Bearer {json.loads(made)['token']}"}


def _bare(folder: Path, port: int, upstream: int) -> list[str | Path]:
    return [sys.executable, HERE / "bare.py", str(port), str(upstream)]


def _nginx(folder: Path, port: int, upstream: int) -> list[str | Path]:
    return [nginx() or "nginx", "-c", configuration("nginx.conf", folder, port, upstream), "-e", "stderr"]


_smg_program = _beside("smg/bin/smg")
_litellm_program = _beside("litellm/bin/litellm")
_portkey_program = _beside("portkey/node_modules/@portkey-ai/gateway/build/start-server.js")


def _smg(folder: Path, port: int, upstream: int) -> list[str | Path]:
    command = [_smg_program() or "smg", "launch", "--host", "127.0.0.1", "--port", str(port), "--backend", "openai"]
    worker = f"http://127.0.0.1:{upstream}"
    return [*command, "--worker-urls", worker, "--prometheus-port", str(free_port()), "--log-level", "error"]


def _litellm(folder: Path, port: int, upstream: int) -> list[str | Path]:
    config = configuration("litellm.yaml", folder, port, upstream)
    program = _litellm_program() or "litellm"
    return [program, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]


def _portkey(folder: Path, port: int, upstream: int) -> list[str | Path]:
    return ["node", _portkey_program() or "start-server.js", f"--port={port}", "--headless"]


def _portkey_headers(folder: Path, upstream: int) -> dict[str, str]:
    return {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "modelmesh",
            _modelmesh,
            lambda: sys.executable,
            'pip install ".[gateway]" ./plugins/modelmesh-prometheus',
            headers=_modelmesh_key,
        ),
        Peer("bare", _bare, _uvicorn, 'pip install ".[gateway]" uvicorn'),
        Peer("nginx", _nginx, nginx, "apt-get install nginx-light"),
        Peer("smg", _smg, _smg_program, "smg==1.13.0"),
        Peer(
            "litellm",
            _litellm,
            _litellm_program,
            "litellm[proxy]==1.100.5",
            {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        ),
        Peer(
            "portkey",
            _portkey,
            _portkey_program,
            "@portkey-ai/gateway@1.15.2",
            {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
            _portkey_headers,
        ),
    )
}


def install(folder: Path) -> None:
    """Put the peers that come from PyPI and npm under ``folder``, each in a place of its own."""
    for name in ("smg", "litellm"):
        venv.create(folder / name, with_pip=True)
        python = folder / name / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEERS[name].install], check=True)
    place = folder / "portkey"
    place.mkdir(parents=True, exist_ok=True)
    npm = ["npm", "install", "--no-fund", "--no-audit", "--prefix", str(place), PEERS["portkey"].install]
    subprocess.run(npm, check=True)
    print(f"installed. Now: GATEWAY_PEERS={folder} python benchmarks/gateway.py")
    print("nginx and wrk come from the system: apt-get install nginx-light wrk")


@dataclass
class Running:
    """A peer that serves."""

    name: str
    target: Target
    process: Process | None
    """None for the upstream itself, which is asked directly."""
    ready_after: float
    """Seconds from the start of the process to the first right answer."""
    memory_at_start: int


@contextmanager
def running(peer: Peer, folder: Path, upstream_port: int, core: int) -> Iterator[Running]:
    """``peer``, once it answers. Raises RuntimeError if it does not within a minute."""
    folder = folder / peer.name
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = peer.command(folder, port, upstream_port)
    target = Target(port, peer.headers(folder, upstream_port))
    started = time.perf_counter()
    process = Process(peer.name, command, core, folder, **peer.environ)
    try:
        _wait_until_ready(process, target, started + 60)
        yield Running(peer.name, target, process, time.perf_counter() - started, process.memory())
    finally:
        process.stop()


def _wait_until_ready(process: Process, target: Target, deadline: float) -> None:
    last = "no answer"
    while time.perf_counter() < deadline:
        process.check()
        try:
            status, body = ask(target)
        except OSError:
            time.sleep(0.005)
            continue
        if status == 200 and is_answer(body):
            return
        last = f"{status} {body[:300]!r}"
        time.sleep(0.02)
    raise RuntimeError(f"{process.name} did not become ready; last: {last}; its log: {process.tail()}")


@contextmanager
def upstream_for_chat(folder: Path, core: int) -> Iterator[int]:
    """The port of a provider with a fixed answer: nginx if it is there, else the one that streams, too."""
    program = nginx()
    if program is None:
        with upstream_for_streams(folder, core) as port:
            yield port
        return
    from upstream import ANSWER, MODELS

    port = free_port()
    texts = {"ANSWER": json.dumps(json.loads(ANSWER)), "MODELS": MODELS.decode()}
    config = configuration("upstream.conf", folder, port, **texts)
    process = Process("upstream", [program, "-c", config, "-e", "stderr"], core, folder)
    try:
        _wait_until_ready(process, Target(port, {}), time.perf_counter() + 10)
        yield port
    finally:
        process.stop()


@contextmanager
def upstream_for_streams(folder: Path, core: int) -> Iterator[int]:
    """The port of a provider that streams."""
    port = free_port()
    process = Process("streams", [sys.executable, HERE.parent / "upstream.py", str(port)], core, folder)
    try:
        _wait_until_ready(process, Target(port, {}), time.perf_counter() + 10)
        yield port
    finally:
        process.stop()
