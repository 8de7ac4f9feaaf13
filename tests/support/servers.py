"""Real Redis and PostgreSQL servers on the loopback interface, each with a folder of its own.

with RedisServer(password="...") as server:
    server.url
    server.kill()
    server.start()
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Self

import pytest

PATIENCE = 60.0


def binary(name: str, package: str, folders: str = "") -> str:
    """A program's path: from PATH, from Debian's ``folders`` (a pattern below /), or installed with ``package``.

    Skips where it cannot be had, but never in CI.
    """
    found = _look(name, folders)
    if found is None:
        with _one_at_a_time(package):
            found = _look(name, folders) or _install(package) or _look(name, folders)
    if found is None and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed, and could not be: apt-get install {package}")
    assert found is not None, f"{name} is not installed, and could not be"
    return found


def _look(name: str, folders: str) -> str | None:
    below = sorted(Path("/").glob(f"{folders}/{name}")) if folders else []
    return str(below[-1]) if below else shutil.which(name)


@contextlib.contextmanager
def _one_at_a_time(name: str) -> Generator[None]:
    """Test workers that need the same package wait for the first of them."""
    with (Path(tempfile.gettempdir()) / f"modelmesh-tests-{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(package: str) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    waiting = ["-o", "DPkg::Lock::Timeout=300"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", *waiting, "--no-install-recommends", package],
    ):
        with contextlib.suppress(FileNotFoundError):
            subprocess.run([*sudo, *command], env=quiet, check=False, timeout=500, capture_output=True)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Server:
    """One server process, from ``with`` to the end of the block. Its port and its data outlast a restart."""

    name: str
    crash = signal.SIGKILL

    def __init__(self) -> None:
        self.port = free_port()
        self.password = f"secret-{secrets.token_hex(8)}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"modelmesh-{self.name}-"))
        self.account: str | None = None
        """The user that it runs as, if not this one."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """What is run."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it serves, and does not only listen."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it (again), and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder, **self.identity())
        deadline = time.monotonic() + PATIENCE
        while not self.is_ready():
            running = self._process.poll() is None and time.monotonic() < deadline
            assert running, (self.folder / "server.log").read_text(errors="replace")[-3000:]
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(self.crash)

    @contextlib.contextmanager
    def frozen(self) -> Generator[None]:
        """Within the block it takes connections and says nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def identity(self) -> dict[str, object]:
        """Arguments of ``Popen`` for another user."""
        if self.account is None:
            return {}
        user = pwd.getpwnam(self.account)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None


class RedisServer(Server):
    """Debian's redis-server, which keeps what it acknowledged through a crash."""

    name = "redis"

    def __init__(self, *settings: str) -> None:
        super().__init__()
        self.settings = settings
        self.program = binary("redis-server", "redis-server")

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        kept = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", str(self.folder))
        where = ("--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", self.password)
        return (self.program, *where, *kept, *self.settings)

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                return b"+PONG" in connection.makefile("rb").read()
        except OSError:
            return False


class PostgresServer(Server):
    """Debian's postgresql. It refuses to run as root, and is then run as ``postgres`` or ``nobody``."""

    name = "postgres"
    crash = signal.SIGQUIT  # the processes end at once, and the next start recovers from the write-ahead log

    def __init__(self) -> None:
        super().__init__()
        self.programs = Path(binary("postgres", "postgresql", "usr/lib/postgresql/*/bin")).resolve().parent
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.account = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.folder, self.account)
        self._make()

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "16MB",
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return (str(self.programs / "postgres"), "-D", str(self.folder / "data"), *given)

    def is_ready(self) -> bool:
        told = subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False, timeout=10
        )
        return told.returncode == 0

    def _make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self.account is not None:
            shutil.chown(secret, self.account)
        command = [self.programs / "initdb", "-D", self.folder / "data", "-U", "postgres", "--no-sync"]
        chosen = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        made = subprocess.run(
            [*command, *chosen], check=False, timeout=120, capture_output=True, cwd=self.folder, **self.identity()
        )
        assert made.returncode == 0, made.stderr.decode(errors="replace")
