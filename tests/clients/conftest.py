"""A gateway on a real socket before vendors on real sockets, each in its own dialect."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer
from scripted_vendor import ScriptedVendor
from vendors import ANTHROPIC, BEDROCK, COHERE, GEMINI, OLLAMA, OPENAI

HERE = Path(__file__).parent
CHAT_ONLY = attrs.evolve(OPENAI, connector="modelmesh.openai-compatible.v1")
"""OpenAI itself would be asked by its Responses API where a caller asks in it."""
DIALECTS = {vendor.name: vendor for vendor in (CHAT_ONLY, ANTHROPIC, GEMINI, BEDROCK, COHERE, OLLAMA)}


@pytest.fixture(params=DIALECTS)
def vendor(request: pytest.FixtureRequest) -> Iterator[ScriptedVendor]:
    """One of three vendors: whatever is asked for is translated for two of them."""
    with ScriptedVendor(DIALECTS[request.param]) as running:
        yield running


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Starts a gateway for a configuration; gives its address, up to ``/v1``."""
    with ExitStack() as stack:

        def start(configuration: Any) -> str:
            server = ProxyServer(ModelMesh(configuration, environ={}), port=0)
            stack.callback(server.stop)
            return f"{server.start().url}/v1"

        yield start


@pytest.fixture
def url(serve: Callable[[Any], str], vendor: ScriptedVendor) -> str:
    """Of a gateway before ``vendor``, whose pool is ``chat``."""
    return serve(vendor.vendor.configuration(vendor.origin))


# --- Node ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts beside the npm packages that they import, which are fetched once for all runs."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            raise AssertionError("Node and npm are not here")
        pytest.skip("needs Node and npm, which are not here")
    packages = _packages((HERE / "node" / "package.json").read_bytes())
    folder = tmp_path_factory.mktemp("node")
    for script in (HERE / "node").iterdir():
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(packages / "node_modules")
    return folder


def _packages(manifest: bytes) -> Path:
    """The folder of what ``manifest`` names. Several processes may fetch it at once: the first to have it all wins."""
    parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelmesh" / "node-clients"
    wanted = parent / hashlib.sha256(manifest).hexdigest()[:16]
    if wanted.is_dir():
        return wanted
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as made:
        (Path(made) / "package.json").write_bytes(manifest)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=made, check=False, timeout=300, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        with suppress(OSError):  # another process was first
            Path(made).rename(wanted)
    return wanted


@pytest.fixture
def node(node_folder: Path, url: str) -> Callable[[str], Any]:
    """Runs one of the scripts against the gateway; gives the JSON that it prints."""

    def node(script: str) -> Any:
        done = subprocess.run(
            ["node", script, url], cwd=node_folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return node
