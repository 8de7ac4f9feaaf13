"""OpenAI's own tests of its SDK, and the strict mock that they are run against. Both are fetched once, by name.

The mock answers by OpenAI's OpenAPI document, and refuses what breaks it, so it judges both sides of a gateway.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import attrs
import httpx

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "tests" / "gateway" / "openai_suite"
DOCUMENT = ROOT.parent / "shared" / "openapi" / "openai.yml"
SDK = "openai-3.3.1"
KEY = "My API Key"
"""What the tests send, and the mock expects."""
CHAT_TO_AUDIO = (
    "tests/api_resources/test_completions.py",
    "tests/api_resources/chat",
    "tests/api_resources/test_embeddings.py",
    "tests/api_resources/test_models.py",
    "tests/api_resources/test_moderations.py",
    "tests/api_resources/test_images.py",
    "tests/api_resources/audio",
)
FILES_AND_BATCHES = ("tests/api_resources/test_files.py", "tests/api_resources/test_batches.py")
_BRACKETS = [
    f"--validator-{place}-{kind}-format=brackets" for place in ("query", "form") for kind in ("array", "object")
]


@attrs.frozen
class Result:
    """What a run of the tests came to."""

    counts: dict[str, int]
    """``passed``, ``failed``, ``skipped``, ``error`` → how many."""
    text: str = attrs.field(repr=False)


@attrs.frozen
class OpenAISuite:
    """Both, unpacked in ``folder``."""

    folder: Path

    @contextmanager
    def mock(self) -> Iterator[str]:
        """The mock, on a free port of loopback. Gives its address."""
        (program,) = self.folder.glob("node_modules/@stdy/cli-*/bin/steady*")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        command = [program, "--host", "127.0.0.1", "-p", str(port), *_BRACKETS, DOCUMENT]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for(f"{url}/models", process)
                yield url
            finally:
                process.kill()

    def run(self, base_url: str, paths: Sequence[str]) -> Result:
        """The SDK's tests in ``paths``, pointed at ``base_url``."""
        options = ["-p", "no:cacheprovider", "-o", "addopts=--tb=short", "-q"]
        done = subprocess.run(
            [self.folder / "venv" / "bin" / "python", "-m", "pytest", *options, *paths],
            cwd=self.folder / SDK,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "TEST_API_BASE_URL": base_url},
            check=False,
            timeout=180,
            capture_output=True,
            text=True,
        )
        last = done.stdout.strip().rpartition("\n")[2]
        counts = {
            kind.rstrip("s"): int(number) for number, kind in re.findall(r"(\d+) (\w+)", last.partition(" in ")[0])
        }
        return Result(counts, done.stdout[-8000:] + done.stderr[-2000:])


def openai_suite() -> OpenAISuite:
    """Fetched if need be. Several processes may fetch at once: the first to have it all wins."""
    manifests = b"".join(path.read_bytes() for path in sorted(MANIFESTS.iterdir())) + sys.version.encode()
    parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelmesh" / "openai-suite"
    wanted = parent / hashlib.sha256(manifests).hexdigest()[:16]
    if not wanted.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as made:
            _fetch(Path(made))
            with suppress(OSError):  # another process was first
                Path(made).rename(wanted)
    return OpenAISuite(wanted)


def _fetch(folder: Path) -> None:
    shutil.copy(MANIFESTS / "package.json", folder)
    npm = shutil.which("npm", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    assert npm, "npm is not here; the requirements of the tests bring it"
    _do([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    _do([sys.executable, "-m", "venv", "venv"], folder)
    python = folder / "venv" / "bin" / "python"
    _do([python, "-m", "pip", "install", "--quiet", "-r", MANIFESTS / "requirements.txt"], folder)
    # The tests are in the source distribution only.
    name = SDK.replace("-", "==")
    _do([python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "openai", name], folder)
    with tarfile.open(folder / f"{SDK}.tar.gz") as archive:
        archive.extractall(folder, filter="data")


def _do(command: Sequence[str | Path], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + 30
    while monotonic() < deadline:
        assert process.poll() is None, f"the mock ended with {process.returncode}"
        with suppress(httpx.TransportError):
            httpx.get(url, headers={"authorization": f"Bearer {KEY}"})
            return
        sleep(0.05)
    raise AssertionError("the mock does not answer")
