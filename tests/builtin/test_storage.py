"""The storage connectors that come with the core."""

import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from modelmesh_core import StorageConnector, StorageError
from modelmesh_core.builtin import storage_local_file, storage_memory, storage_sqlite
from modelmesh_core.builtin.storage_local_file import LocalFileOptions, LocalFileStorage
from modelmesh_core.builtin.storage_memory import MemoryOptions, MemoryStorage
from modelmesh_core.builtin.storage_sqlite import SqliteOptions, SqliteStorage
from modelmesh_core.testing import FakeClock, StorageConformance

sys.path.insert(0, str(Path(__file__).parent))
from storage_writer import storage_at, value

KILLS = 40
DAY = 86400.0


class TestMemory(StorageConformance):
    def make(self, folder, clock):
        return MemoryStorage(clock=clock)


class TestLocalFile(StorageConformance):
    def make(self, folder, clock):
        return LocalFileStorage(LocalFileOptions(path=str(folder / "state")), clock)


class TestSqlite(StorageConformance):
    def make(self, folder, clock):
        return SqliteStorage(SqliteOptions(path=str(folder / "state.db")), clock)


def everywhere(test):
    return pytest.mark.parametrize("connector", ["local-file", "sqlite"])(test)


@pytest.mark.parametrize(
    ("module", "connector_id", "options"),
    [
        (storage_memory, "modelmesh.memory.v1", MemoryOptions()),
        (storage_local_file, "modelmesh.local-file.v1", LocalFileOptions()),
        (storage_sqlite, "modelmesh.sqlite.v1", SqliteOptions()),
    ],
)
async def test_each_module_yields_a_record_that_works_with_default_options(
    module, connector_id, options, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    (record,) = module.storage_connectors()
    assert isinstance(record, StorageConnector)
    assert (record.id, record.options) == (connector_id, type(options))
    storage = record.create(options)
    await storage.open()
    await storage.save("key", b"value")
    assert await storage.load("key") == b"value"
    await storage.close()
    assert (tmp_path / "state-home" / "modelmesh").exists() == storage.shared


@everywhere
def test_killed_at_any_moment_the_state_is_whole_and_nothing_acknowledged_is_lost(connector, tmp_path):
    chance = random.Random(20261123)
    saved = added = 0
    began = time.monotonic()
    for kill in range(1, KILLS + 1):
        with subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("storage_writer.py")), connector, str(tmp_path)],
            stdout=subprocess.PIPE,
        ) as writer:
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.005, 0.060))
            writer.send_signal(signal.SIGKILL)
            said = [line.split() for line in writer.stdout.read().decode().splitlines()]
        saved = max([saved, *(int(number) for verb, number in said if verb == "saved")])
        added += sum(verb == "added" for verb, _ in said)
        found, total = state_of(connector, tmp_path)
        assert found == (value(int(found[:8])) if found else None), "the state is not one of the values written"
        assert saved <= (int(found[:8]) if found else 0) <= saved + 1
        assert added <= total <= added + kill
    assert saved > KILLS, f"only {saved} saves in {time.monotonic() - began:.0f} s: the kills came too early"


def state_of(connector, path):
    import asyncio

    async def look():
        storage = storage_at(connector, path)
        await storage.open()
        try:
            return await storage.load("state"), (await storage.add("acme", {}, "day:1")).get("requests", 0)
        finally:
            await storage.close()

    return asyncio.run(look())


def damage(file, at=-3):
    content = bytearray(file.read_bytes())
    content[at] ^= 0x01
    file.write_bytes(content)
    return bytes(content)


async def test_a_damaged_file_is_named_and_not_overwritten(tmp_path):
    storage = LocalFileStorage(LocalFileOptions(path=str(tmp_path)))
    await storage.open()
    await storage.save("state/health", b'{"healthy": true}')
    (file,) = (tmp_path / "values").glob("*.value")
    left = damage(file)
    for attempt in (storage.load, storage.stat):
        with pytest.raises(StorageError, match="is damaged") as caught:
            await attempt("state/health")
        assert str(file) in str(caught.value)
    with pytest.raises(StorageError, match="is damaged"):
        await storage.save("state/health", b"{}")
    assert file.read_bytes() == left
    assert await storage.delete("state/health"), "deleting it is a decision"
    await storage.close()


@pytest.mark.parametrize("left", [b"", b"modelmesh 1 sha256=", b"not ours at all\n{}"])
async def test_a_cut_short_or_foreign_file_is_damaged(tmp_path, left):
    storage = LocalFileStorage(LocalFileOptions(path=str(tmp_path)))
    await storage.open()
    await storage.add("acme", {"requests": 7}, "day:1")
    (file,) = (tmp_path / "counters").glob("*.value")
    file.write_bytes(left)
    with pytest.raises(StorageError, match="is damaged"):
        await storage.add("acme", {"requests": 1}, "day:1")
    assert file.read_bytes() == left
    await storage.close()


async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path):
    file = tmp_path / "state.db"
    file.write_bytes(b"certainly no database " * 400)
    with pytest.raises(StorageError, match="is damaged") as caught:
        await SqliteStorage(SqliteOptions(path=str(file))).open()
    assert str(file) in str(caught.value)
    assert file.read_bytes() == b"certainly no database " * 400


async def test_a_database_with_broken_pages_is_found_when_it_is_opened(tmp_path):
    file = tmp_path / "state.db"
    storage = SqliteStorage(SqliteOptions(path=str(file)))
    await storage.open()
    for number in range(200):
        await storage.save(f"key-{number}", bytes(500))
    await storage.close()
    content = file.read_bytes()
    file.write_bytes(content[:8192] + b"\xff" * 16384 + content[24576:])
    with pytest.raises(StorageError, match="is damaged") as caught:
        await SqliteStorage(SqliteOptions(path=str(file))).open()
    assert str(file) in str(caught.value)


async def test_a_changed_value_in_a_sound_database_is_found(tmp_path):
    file = tmp_path / "state.db"
    storage = SqliteStorage(SqliteOptions(path=str(file)))
    await storage.open()
    await storage.save("key", b"a long enough value to be found")
    with sqlite3.connect(file) as other:
        other.execute("UPDATE items SET data = ?", (b"A long enough value to be found",))
    with pytest.raises(StorageError, match=r"'key' does not match its checksum"):
        await storage.load("key")
    await storage.close()


async def test_another_programs_database_is_not_touched(tmp_path):
    file = tmp_path / "history.db"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE visits (url TEXT)")
    before = file.read_bytes()
    with pytest.raises(StorageError, match="another program's"):
        await SqliteStorage(SqliteOptions(path=str(file))).open()
    assert file.read_bytes() == before


async def test_a_database_of_a_newer_version_is_refused(tmp_path):
    file = tmp_path / "state.db"
    storage = SqliteStorage(SqliteOptions(path=str(file)))
    await storage.open()
    await storage.close()
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer ModelMesh"):
        await SqliteStorage(SqliteOptions(path=str(file))).open()


async def test_a_database_that_stays_locked_is_an_error_after_the_busy_timeout(tmp_path):
    file = tmp_path / "state.db"
    storage = SqliteStorage(SqliteOptions(path=str(file), busy_timeout=0.05))
    await storage.open()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        await storage.add("acme", {"requests": 1}, "day:1")
    other.execute("ROLLBACK")
    assert await storage.add("acme", {"requests": 1}, "day:1") == {"requests": 1}
    other.close()
    await storage.close()


async def test_a_failed_add_counts_nothing(tmp_path):
    storage = SqliteStorage(SqliteOptions(path=str(tmp_path / "state.db")))
    await storage.open()
    with pytest.raises(StorageError):
        await storage.add("acme", {"requests": 1, "cost": 2**70}, "day:1")
    assert await storage.add("acme", {}, "day:1") == {}
    await storage.close()


@everywhere
async def test_files_are_for_their_owner_only(connector, tmp_path):
    folder = tmp_path / "new" / "state"
    storage = storage_at(connector, folder)
    await storage.open()
    await storage.save("key", b"value")
    await storage.add("acme", {"requests": 1}, "day:1")
    await storage.acquire("leader", "one", 30)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    await storage.close()
    assert len(modes) >= 4
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


@everywhere
async def test_a_folder_that_cannot_be_made_is_named(connector, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=f"{tmp_path}/file"):
        await storage_at(connector, tmp_path / "file" / "state").open()


@everywhere
async def test_a_closed_storage_says_so_and_can_be_opened_again(connector, tmp_path):
    storage = storage_at(connector, tmp_path)
    with pytest.raises(StorageError, match="not open"):
        await storage.load("key")
    await storage.open()
    await storage.save("key", b"value")
    await storage.close()
    with pytest.raises(StorageError, match="not open"):
        await storage.load("key")
    await storage.open()
    assert await storage.load("key") == b"value"
    await storage.close()


async def test_keys_that_are_too_long_for_a_file_name_are_refused(tmp_path):
    storage = LocalFileStorage(LocalFileOptions(path=str(tmp_path)))
    await storage.open()
    with pytest.raises(StorageError, match="cannot name a file"):
        await storage.save("k" * 300, b"")
    await storage.save("../../k/..", b"stays inside")
    assert [file.parent for file in tmp_path.rglob("*.value")] == [tmp_path / "values"]
    await storage.close()


HOLD = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"


@pytest.fixture
def stuck_process(tmp_path):
    (tmp_path / "values").mkdir()
    lock = str(tmp_path / "values" / ".lock")
    with subprocess.Popen([sys.executable, "-c", HOLD, lock], stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        yield process
        process.kill()


async def test_a_lock_that_somebody_keeps_is_an_error_after_the_timeout(stuck_process, tmp_path):
    storage = LocalFileStorage(LocalFileOptions(path=str(tmp_path), lock_timeout=0.05))
    await storage.open()
    with pytest.raises(StorageError, match="held by another process"):
        await storage.save("key", b"1")
    stuck_process.kill()
    stuck_process.wait()
    await storage.save("key", b"1")
    await storage.close()


@pytest.mark.parametrize("make", [TestMemory().make, TestLocalFile().make, TestSqlite().make])
async def test_counters_of_windows_long_past_are_forgotten(make, tmp_path):
    clock = FakeClock()
    storage = make(tmp_path, clock)
    await storage.open()
    await storage.add("acme", {"requests": 1}, "minute:1")
    clock.advance(30 * DAY)
    await storage.add("acme", {"requests": 2}, "month:1")
    clock.advance(30 * DAY)
    await storage.add("acme", {"requests": 4}, "month:2")
    assert await storage.add("acme", {}, "minute:1") == {}
    assert await storage.add("acme", {}, "month:1") == {"requests": 2}
    assert await storage.add("acme", {}, "month:2") == {"requests": 4}
    await storage.close()


def test_the_state_folder_follows_the_platform(monkeypatch):
    from modelmesh_core.builtin._files import user_state_folder

    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert user_state_folder() == Path("/home/somebody/.local/state/modelmesh")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert user_state_folder() == Path("/home/somebody/.local/state/modelmesh")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert user_state_folder() == Path("/var/state/modelmesh")


def test_a_failed_replacement_leaves_the_old_file(tmp_path):
    from modelmesh_core.builtin._files import replace_file

    file = tmp_path / "file"
    file.write_bytes(b"old")
    (tmp_path / "file.tmp").mkdir()
    with pytest.raises(OSError):
        replace_file(file, b"new")
    assert file.read_bytes() == b"old"
    assert (tmp_path / "file.tmp").is_dir()
