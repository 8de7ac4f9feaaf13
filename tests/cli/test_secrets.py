"""``modelmesh secrets``."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[str]]

STORES = "secrets: {store: [modelmesh.env.v1, modelmesh.json-secrets.v1], path: kept.json}"


@pytest.fixture
def stores(write_config: Write) -> Path:
    """A configuration whose first store cannot be written to, and whose second is kept.json."""
    return write_config(more=STORES)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_piped_secret_goes_to_the_first_store_that_can_write(
    run: Run, stores: Path, home: Path, pipe: Callable[[str], None]
) -> None:
    pipe("hunter2\n")
    result = run("secrets", "set", "MY_KEY")
    assert result.code == 0
    assert "modelmesh.json-secrets.v1" in result.out
    assert json.loads((home / "kept.json").read_text()) == {"MY_KEY": "hunter2"}
    assert "hunter2" not in result.out + result.err


def test_a_secret_of_several_lines_is_kept_whole(
    run: Run, stores: Path, home: Path, pipe: Callable[[str], None]
) -> None:
    pipe("-----BEGIN-----\nabc\n-----END-----\n")
    assert run("secrets", "set", "PEM").code == 0
    assert json.loads((home / "kept.json").read_text())["PEM"] == "-----BEGIN-----\nabc\n-----END-----"


def test_a_secret_typed_at_a_terminal_is_not_echoed(spawn: Spawn, stores: Path, home: Path) -> None:
    own, other = pty.openpty()
    process = spawn("secrets", "set", "MY_KEY", stdin=other, stdout=other, stderr=other, start_new_session=True)
    os.close(other)
    seen = b""
    while b"MY_KEY (not shown): " not in seen:
        seen += os.read(own, 1024)
    os.write(own, b"hunter2\n")
    assert process.wait(60) == 0
    seen += os.read(own, 65536)
    os.close(own)
    assert b"hunter2" not in seen
    assert json.loads((home / "kept.json").read_text()) == {"MY_KEY": "hunter2"}


def test_a_value_is_never_an_argument(run: Run, stores: Path) -> None:
    assert run("secrets", "set", "MY_KEY", "hunter2").code == 2


def test_an_empty_value_is_refused(run: Run, stores: Path, home: Path, pipe: Callable[[str], None]) -> None:
    pipe("\n")
    assert run("secrets", "set", "MY_KEY").code == 2
    assert not (home / "kept.json").exists()


def test_names_are_listed_and_values_are_not(run: Run, stores: Path, home: Path) -> None:
    (home / "kept.json").write_text('{"B": "hunter2", "A": "hunter3"}')
    result = run("secrets", "list")
    assert (result.code, result.out) == (0, "A\nB\n")
    assert run("secrets", "list", "--json").json == {"store": "modelmesh.json-secrets.v1", "names": ["A", "B"]}


def test_the_store_can_be_named(run: Run, home: Path, pipe: Callable[[str], None]) -> None:
    pipe("hunter2")
    assert run("secrets", "set", "MY_KEY", "--store", "json-secrets").code == 0
    assert json.loads((home / "secrets.json").read_text()) == {"MY_KEY": "hunter2"}


def test_a_dotenv_file_is_imported(run: Run, stores: Path, home: Path) -> None:
    (home / ".env").write_text("# keys\nexport ONE=hunter1\nTWO='hunter 2'\n")
    result = run("secrets", "import", ".env")
    assert result.code == 0
    assert "ONE" in result.out
    assert "TWO" in result.out
    assert "hunter" not in result.out + result.err
    assert json.loads((home / "kept.json").read_text()) == {"ONE": "hunter1", "TWO": "hunter 2"}


def test_import_of_a_file_that_is_not_there(run: Run, stores: Path) -> None:
    result = run("secrets", "import", "nothing.env")
    assert result.code == 2
    assert "nothing.env" in result.err


def test_a_secret_is_deleted_once(run: Run, stores: Path, home: Path) -> None:
    (home / "kept.json").write_text('{"A": "hunter2"}')
    assert run("secrets", "delete", "A").code == 0
    assert json.loads((home / "kept.json").read_text()) == {}
    again = run("secrets", "delete", "A")
    assert again.code == 1
    assert "A" in again.err


def test_no_store_can_be_written_to(run: Run, pipe: Callable[[str], None]) -> None:
    pipe("hunter2")
    result = run("secrets", "set", "MY_KEY")
    assert result.code == 1
    assert "modelmesh.env.v1" in result.err
    assert "--store" in result.err
    assert "hunter2" not in result.err


def test_a_store_that_forgets_is_not_chosen(run: Run, write_config: Write, pipe: Callable[[str], None]) -> None:
    write_config(more="secrets: {store: modelmesh.memory-secrets.v1}")
    pipe("hunter2")
    assert run("secrets", "set", "MY_KEY").code == 1


def test_a_store_that_does_not_exist(run: Run) -> None:
    result = run("secrets", "list", "--store", "modelmesh.jsn-secrets.v1")
    assert result.code == 1
    assert "modelmesh.json-secrets.v1" in result.err


def test_options_of_a_store_may_come_from_the_environment(
    run: Run, write_config: Write, home: Path, pipe: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "secrets: {store: modelmesh.encrypted-file.v1, passphrase: '${env:PASSPHRASE_OF_TEST}', scrypt_cost: 14}"
    write_config(more=more)
    monkeypatch.setenv("PASSPHRASE_OF_TEST", "open sesame")
    pipe("hunter2")
    assert run("secrets", "set", "MY_KEY").code == 0
    assert run("secrets", "list").out == "MY_KEY\n"
    assert b"hunter2" not in (home / "secrets.enc").read_bytes()
    monkeypatch.setenv("PASSPHRASE_OF_TEST", "open barley")
    assert run("secrets", "list").code == 1
