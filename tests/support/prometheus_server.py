"""Debian's Prometheus on the loopback interface, with a folder of its own.

with PrometheusServer(folder, {"scrape_configs": [...]}) as server:
    server.value('modelmesh_requests_total{pool="chat"}')
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

PATIENCE = 60.0


def binary(name: str) -> str:
    """``prometheus`` or ``promtool``: from PATH, or installed as a Debian package. Skips where neither can be had."""
    found = shutil.which(name)
    if found is None:
        _install()
        found = shutil.which(name)
    if found is None and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed, and could not be: apt-get install prometheus")
    assert found is not None, f"{name} is not installed, and could not be"
    return found


def _install() -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    waiting = ["-o", "DPkg::Lock::Timeout=300"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", *waiting, "--no-install-recommends", "prometheus"],
    ):
        try:
            subprocess.run([*sudo, *command], env=quiet, check=False, timeout=500, capture_output=True)
        except FileNotFoundError:
            return


class PrometheusServer:
    """The server, from ``with`` to the end of the block."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        (folder / "prometheus.yml").write_text(json.dumps(config))  # every JSON is YAML
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [
            binary("prometheus"),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)

    def get(self, path: str, **query: str) -> Any:
        """``data`` of the answer of the API; None while the server starts."""
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()[-2000:]
        try:
            response = httpx.get(f"{self.url}/api/v1/{path}", params=query, timeout=5)
        except httpx.TransportError:
            return None
        return response.json()["data"] if response.is_success else None

    def value(self, query: str, expected: float) -> float | None:
        """The only value of ``query``, once it is ``expected``, or after a while whatever it is."""
        deadline = time.monotonic() + PATIENCE
        while True:
            data = self.get("query", query=query)
            found = float(data["result"][0]["value"][1]) if data is not None and data["result"] else None
            if found == expected or time.monotonic() > deadline:
                return found
            time.sleep(0.2)
