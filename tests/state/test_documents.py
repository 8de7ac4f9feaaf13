"""The saved state in every form: written, read again, read by others, and never by those without the passphrase."""

import itertools

import pytest
from meshes import ask, config
from modelmesh_core import ModelMesh, Secret, StorageError
from modelmesh_core.builtin.storage_memory import MemoryStorage
from modelmesh_core.state.documents import Documents
from modelmesh_core.state.manager import StateManager
from modelmesh_core.testing import FakeClock, FakeUpstream, answers

STATE = {"pools": {"chat": {"standby": {"a.one": {"until": 1.5, "reason": "error"}}}}, "umlaut": "ü", "none": None}
PASSPHRASE = Secret("correct horse battery staple")
FORMS = [
    Documents(form, compression, passphrase)
    for form, compression, passphrase in itertools.product(("json", "msgpack"), ("none", "gzip"), (None, PASSPHRASE))
]


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("read", [Documents(passphrase=PASSPHRASE), Documents("msgpack", "gzip", PASSPHRASE)])
def test_a_document_is_read_however_it_was_written(written, read):
    assert read.decode(written.encode(STATE), "state") == STATE


def test_what_was_written_without_any_of_it_is_plain_json():
    assert Documents().encode({"a": 1}) == b'{"a":1}'


def test_compression_makes_it_smaller():
    large = {"models": ["the same"] * 1000}
    assert len(Documents(compression="gzip").encode(large)) < len(Documents().encode(large)) / 10


def test_encryption_hides_it_and_never_looks_the_same_twice():
    documents = Documents(passphrase=PASSPHRASE)
    first, second = documents.encode(STATE), documents.encode(STATE)
    assert b"standby" not in first and first != second
    assert PASSPHRASE.reveal() not in repr(documents)


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        (Documents(), "is encrypted, and there is no passphrase"),
        (Documents(passphrase=Secret("wrong")), "the passphrase is wrong"),
    ],
)
def test_nobody_reads_it_without_the_passphrase(documents, words):
    with pytest.raises(StorageError, match=f"'state'.*{words}"):
        documents.decode(Documents(passphrase=PASSPHRASE).encode(STATE), "state")


@pytest.mark.parametrize("documents", FORMS)
def test_damage_is_noticed_or_changes_nothing(documents):
    whole = documents.encode(STATE)
    for place in (len(whole) // 2, len(whole) - 2):
        damaged = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        if documents.passphrase is not None or documents.compression == "gzip":
            with pytest.raises(StorageError):
                Documents(passphrase=PASSPHRASE).decode(damaged, "state")
    with pytest.raises(StorageError):
        Documents(passphrase=PASSPHRASE).decode(whole[: len(whole) // 2], "state")


def test_a_small_document_that_unpacks_to_a_huge_one_is_refused(monkeypatch):
    monkeypatch.setattr("modelmesh_core.state.documents._LARGEST", 1000)
    with pytest.raises(StorageError, match="larger than 1000 bytes"):
        Documents().decode(Documents(compression="gzip").encode(["x"] * 1000), "state")


@pytest.mark.parametrize(
    "form", [{"format": "msgpack", "compression": "gzip", "encryption": {"passphrase": "open sesame"}}, {}]
)
def test_a_mesh_finds_its_state_again(tmp_path, form):
    """Also after the form has changed, as long as the passphrase is known."""

    def mesh(**storage):
        upstream = FakeUpstream()
        upstream.script("https://a.test/v1", [answers.error(429, retry_after="3000")])
        upstream.script("https://b.test/v1", [answers.chat("b")])
        path = {"connector": "modelmesh.sqlite.v1", "path": str(tmp_path / "state.db"), **storage}
        return ModelMesh(
            config("a.one", "b.two", storage=path),
            environ={},
            clock=upstream.clock,
            make_transport=upstream.make_transport,
        )

    with mesh(**form) as first:
        ask(first)
        assert first.pool_status()["chat"][0].status.value == "standby"
    assert (b"standby" in (tmp_path / "state.db").read_bytes()) == (not form)
    for later in (form, {"encryption": form.get("encryption", {})}):
        with mesh(**later) as second:
            assert second.pool_status()["chat"][0].status.value == "standby"


async def test_a_save_waits_for_the_lock_and_says_who_keeps_it():
    storage, clock = MemoryStorage(), FakeClock()

    def manager(number):
        return StateManager(
            storage, lambda: {"from": number}, clock, policy="periodic", locks=True, lock_timeout=5, retry_interval=1
        )

    first, second = manager(1), manager(2)
    assert await first.acquire_lock()
    with pytest.raises(StorageError, match="stayed locked by another process for 5 s"):
        await second.save()
    assert clock.slept == [1] * 5
    await first.release_lock()
    await second.save()
    assert await first.load() == {"from": 2}
    assert not await storage.is_locked("mesh"), "it is given back"
