"""The secret stores that come with the core."""

import asyncio
import json
import stat
import sys
import traceback

import attrs
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordSetError
from modelmesh_core import ConnectorError, ModelMeshError, Secret, SecretStoreConnector
from modelmesh_core.builtin import (
    secrets_dotenv,
    secrets_encrypted_file,
    secrets_env,
    secrets_json,
    secrets_keyring,
    secrets_memory,
)
from modelmesh_core.builtin.secrets_dotenv import DotenvOptions, DotenvSecretStore
from modelmesh_core.builtin.secrets_encrypted_file import EncryptedFileOptions, EncryptedFileSecretStore
from modelmesh_core.builtin.secrets_env import EnvSecretStore
from modelmesh_core.builtin.secrets_json import JsonSecretsOptions, JsonSecretStore
from modelmesh_core.builtin.secrets_keyring import KeyringOptions, KeyringSecretStore
from modelmesh_core.builtin.secrets_memory import MemorySecretsOptions, MemorySecretStore
from modelmesh_core.testing import SecretStoreConformance

SECRET = "sk-never-to-be-seen-0123456789"
PASSPHRASE = "correct horse battery staple"


class FolderKeyring(KeyringBackend):
    """A keyring that keeps its entries in a file."""

    priority = 1

    def __init__(self, file):
        self.file = file

    def entries(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def set_password(self, service, username, password):
        self.file.write_text(json.dumps({**self.entries(), f"{service}/{username}": password}))

    def get_password(self, service, username):
        return self.entries().get(f"{service}/{username}")

    def delete_password(self, service, username):
        entries = self.entries()
        del entries[f"{service}/{username}"]
        self.file.write_text(json.dumps(entries))


def encrypted(folder, passphrase=PASSPHRASE):
    return EncryptedFileSecretStore(
        EncryptedFileOptions(path=str(folder / "secrets.enc"), passphrase=Secret(passphrase), scrypt_cost=14)
    )


def dotenv(folder):
    return DotenvSecretStore(DotenvOptions(path=str(folder / ".env")))


def json_file(folder):
    return JsonSecretStore(JsonSecretsOptions(path=str(folder / "secrets.json")))


FILE_STORES = pytest.mark.parametrize(
    ("make", "name"), [(dotenv, ".env"), (json_file, "secrets.json"), (encrypted, "secrets.enc")]
)


class TestEnv(SecretStoreConformance):
    def make(self, folder, values):
        return EnvSecretStore(values)


class TestMemory(SecretStoreConformance):
    persistent = False

    def make(self, folder, values):
        return MemorySecretStore(MemorySecretsOptions(values=values))


class TestDotenv(SecretStoreConformance):
    def make(self, folder, values):
        return dotenv(folder)


class TestJson(SecretStoreConformance):
    def make(self, folder, values):
        return json_file(folder)


class TestEncryptedFile(SecretStoreConformance):
    def make(self, folder, values):
        return encrypted(folder)


class TestKeyring(SecretStoreConformance):
    def make(self, folder, values):
        return KeyringSecretStore(KeyringOptions(), FolderKeyring(folder / "keyring.json"))


def everything_an_error_shows(caught):
    return "".join(traceback.format_exception(caught.value, chain=True)) + str(caught.value.body)


@pytest.mark.parametrize(
    ("module", "connector_id"),
    [
        (secrets_env, "modelmesh.env.v1"),
        (secrets_dotenv, "modelmesh.dotenv.v1"),
        (secrets_json, "modelmesh.json-secrets.v1"),
        (secrets_memory, "modelmesh.memory-secrets.v1"),
        (secrets_encrypted_file, "modelmesh.encrypted-file.v1"),
        (secrets_keyring, "modelmesh.keyring.v1"),
    ],
)
async def test_each_module_yields_a_record_that_works_with_default_options(module, connector_id, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keyring.get_keyring", lambda: FolderKeyring(tmp_path / "keyring.json"))
    (record,) = module.secret_store_connectors()
    assert isinstance(record, SecretStoreConnector)
    assert record.id == connector_id
    store = record.create(record.options() if record.options else None)
    assert await store.get("NO_SUCH_KEY") is None


async def test_the_environment_is_read_anew_and_an_empty_variable_is_unset(monkeypatch):
    store = EnvSecretStore()
    monkeypatch.setenv("MODELMESH_TEST_KEY", "")
    assert await store.get("MODELMESH_TEST_KEY") is None
    monkeypatch.setenv("MODELMESH_TEST_KEY", SECRET)
    assert (await store.get("MODELMESH_TEST_KEY")).reveal() == SECRET


def test_options_never_show_a_secret():
    for options in (MemorySecretsOptions(values={"KEY": SECRET}), EncryptedFileOptions(passphrase=Secret(SECRET))):
        assert SECRET not in repr(options)
        assert SECRET not in str(attrs.asdict(options))


@FILE_STORES
async def test_a_written_file_is_for_its_owner_only_and_leaves_nothing_beside_it(make, name, tmp_path):
    (tmp_path / name).touch(mode=0o644)
    await make(tmp_path).set("KEY", Secret(SECRET))
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@FILE_STORES
async def test_secrets_that_are_set_at_once_are_all_kept(make, name, tmp_path):
    stores = [make(tmp_path) for _ in range(5)]
    await asyncio.gather(*(store.set(f"KEY_{number}", Secret(SECRET)) for number, store in enumerate(stores)))
    assert await make(tmp_path).list() == [f"KEY_{number}" for number in range(5)]


@FILE_STORES
async def test_a_file_behind_a_link_is_changed_and_the_link_stays(make, name, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    await make(tmp_path / "elsewhere").set("KEY", Secret("old"))
    (tmp_path / name).symlink_to(tmp_path / "elsewhere" / name)
    await make(tmp_path).set("KEY", Secret("new"))
    assert (tmp_path / name).is_symlink()
    assert (await make(tmp_path / "elsewhere").get("KEY")).reveal() == "new"


@FILE_STORES
async def test_a_file_that_cannot_be_read_is_an_error_that_names_it(make, name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(ModelMeshError, match=name):
        await make(tmp_path).get("KEY")


@FILE_STORES
async def test_bytes_that_make_no_sense_are_an_error_that_does_not_quote_them(make, name, tmp_path):
    content = b'{"KEY": "' + SECRET.encode() + b'\xff"'
    (tmp_path / name).write_bytes(content)
    for attempt in (make(tmp_path).get("KEY"), make(tmp_path).set("OTHER", Secret(SECRET))):
        with pytest.raises(ModelMeshError, match=name) as caught:
            await attempt
        assert SECRET not in everything_an_error_shows(caught)
    assert (tmp_path / name).read_bytes() == content


# --- .env ------------------------------------------------------------------------------------------------------------


async def test_changing_a_dotenv_file_keeps_everything_else(tmp_path):
    (tmp_path / ".env").write_text(
        "# providers\n\nexport OPENAI_API_KEY=sk-old # rotate in May\nPLAIN=a#b\n\nQUOTED='x # y'   # note\n"
        "GONE=1\nEND=9"
    )
    store = dotenv(tmp_path)
    await store.set("OPENAI_API_KEY", Secret("sk-new"))
    await store.set("QUOTED", Secret("it's"))
    await store.set("NEW", Secret("a\nb"))
    assert await store.delete("GONE")
    assert (tmp_path / ".env").read_text() == (
        "# providers\n\nexport OPENAI_API_KEY='sk-new' # rotate in May\nPLAIN=a#b\n\nQUOTED='it\\'s'   # note\nEND=9\n"
        "NEW='a\nb'\n"
    )
    assert (await store.get("PLAIN")).reveal() == "a#b"
    assert (await store.get("NEW")).reveal() == "a\nb"


async def test_the_last_of_two_lines_counts_and_is_the_one_changed(tmp_path):
    (tmp_path / ".env").write_text("KEY=1\nKEY=2\n")
    store = dotenv(tmp_path)
    assert (await store.get("KEY")).reveal() == "2"
    await store.set("KEY", Secret("3"))
    assert (await store.get("KEY")).reveal() == "3"
    assert await store.delete("KEY")
    assert await store.get("KEY") is None


async def test_a_line_of_a_dotenv_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / ".env").write_text(f"FIRST=1\n\n\nBROKEN='{SECRET}\n")
    with pytest.raises(ModelMeshError, match=r"\.env:4: ") as caught:
        await dotenv(tmp_path).get("FIRST")
    assert SECRET not in everything_an_error_shows(caught)


@pytest.mark.parametrize("name", ["A=B", "A B", "#A", "", "A\nB", "'A'"])
async def test_a_name_that_a_dotenv_file_cannot_hold_is_refused(name, tmp_path):
    (tmp_path / ".env").write_text("KEY=1\n")
    with pytest.raises(ModelMeshError, match="cannot hold") as caught:
        await dotenv(tmp_path).set(name, Secret(SECRET))
    assert SECRET not in everything_an_error_shows(caught)
    assert (tmp_path / ".env").read_text() == "KEY=1\n"


# --- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{\n  "KEY": "%s",\n}', r"secrets\.json:\d:\d+: no valid JSON"),
        ('["%s"]', "one object of names and secrets"),
        ('{"KEY": {"nested": "%s"}}', "the value of KEY is no string"),
    ],
)
async def test_a_json_file_of_another_shape_is_an_error_that_does_not_quote_it(content, message, tmp_path):
    (tmp_path / "secrets.json").write_text(content % SECRET)
    with pytest.raises(ModelMeshError, match=message) as caught:
        await json_file(tmp_path).get("KEY")
    assert SECRET not in everything_an_error_shows(caught)


# --- encrypted file --------------------------------------------------------------------------------------------------


async def test_the_encrypted_file_shows_neither_names_nor_secrets(tmp_path):
    await encrypted(tmp_path).set("ACME_API_KEY", Secret(SECRET))
    first = (tmp_path / "secrets.enc").read_bytes()
    assert SECRET.encode() not in first and b"ACME_API_KEY" not in first and PASSPHRASE.encode() not in first
    await encrypted(tmp_path).set("ACME_API_KEY", Secret(SECRET))
    second = (tmp_path / "secrets.enc").read_bytes()
    assert first.splitlines()[1] != second.splitlines()[1], "the same secrets never encrypt to the same bytes twice"


async def test_a_wrong_passphrase_is_an_error_and_changes_nothing(tmp_path):
    await encrypted(tmp_path).set("KEY", Secret(SECRET))
    before = (tmp_path / "secrets.enc").read_bytes()
    wrong = encrypted(tmp_path, "wrong horse")
    for attempt in (wrong.get("KEY"), wrong.list(), wrong.set("OTHER", Secret(SECRET)), wrong.delete("KEY")):
        with pytest.raises(ModelMeshError, match="the passphrase is wrong, or the file was changed") as caught:
            await attempt
        shown = everything_an_error_shows(caught)
        assert SECRET not in shown and "wrong horse" not in shown
    assert (tmp_path / "secrets.enc").read_bytes() == before


async def test_any_changed_byte_of_the_encrypted_file_is_an_error(tmp_path):
    await encrypted(tmp_path).set("KEY", Secret(SECRET))
    file = tmp_path / "secrets.enc"
    content = file.read_bytes()
    for place in range(0, len(content) - 1, 7):
        changed = bytearray(content)
        changed[place] ^= 0x01
        file.write_bytes(changed)
        with pytest.raises(ModelMeshError, match=r"secrets\.enc"):
            await encrypted(tmp_path).get("KEY")
    file.write_bytes(content[:-10])
    with pytest.raises(ModelMeshError, match=r"secrets\.enc"):
        await encrypted(tmp_path).get("KEY")


async def test_a_header_that_asks_for_too_much_or_too_little_work_is_refused(tmp_path):
    await encrypted(tmp_path).set("KEY", Secret(SECRET))
    file = tmp_path / "secrets.enc"
    header, body = file.read_bytes().split(b"\n", 1)
    for cost in (1, 40, "17"):
        file.write_bytes(json.dumps({**json.loads(header), "cost": cost}).encode() + b"\n" + body)
        with pytest.raises(ModelMeshError, match="its first line was changed"):
            await encrypted(tmp_path).get("KEY")


async def test_the_passphrase_may_come_from_the_environment(tmp_path, monkeypatch):
    await encrypted(tmp_path).set("KEY", Secret(SECRET))
    options = EncryptedFileOptions(path=str(tmp_path / "secrets.enc"))
    monkeypatch.delenv("MODELMESH_PASSPHRASE", raising=False)
    with pytest.raises(ModelMeshError, match="needs a passphrase"):
        await EncryptedFileSecretStore(options).get("KEY")
    monkeypatch.setenv("MODELMESH_PASSPHRASE", PASSPHRASE)
    assert (await EncryptedFileSecretStore(options).get("KEY")).reveal() == SECRET


# --- keyring ---------------------------------------------------------------------------------------------------------


async def test_services_of_one_keyring_are_kept_apart(tmp_path):
    backend = FolderKeyring(tmp_path / "keyring.json")
    ours, theirs = KeyringSecretStore(KeyringOptions("a"), backend), KeyringSecretStore(KeyringOptions("b"), backend)
    await ours.set("KEY", Secret(SECRET))
    assert await theirs.get("KEY") is None
    assert await theirs.list() == []


async def test_the_list_of_names_is_no_secret_of_its_own(tmp_path):
    store = KeyringSecretStore(KeyringOptions(), FolderKeyring(tmp_path / "keyring.json"))
    await store.set("KEY", Secret(SECRET))
    assert await store.get("modelmesh:names") is None
    assert not await store.delete("modelmesh:names")
    with pytest.raises(ModelMeshError, match="Choose another name"):
        await store.set("modelmesh:names", Secret("x"))
    assert await store.list() == ["KEY"]


async def test_a_machine_without_a_keyring_is_told_what_to_do():
    with pytest.raises(ModelMeshError, match="no keyring") as caught:
        await KeyringSecretStore(KeyringOptions(), NoKeyring()).get("KEY")
    assert "modelmesh.encrypted-file.v1" in str(caught.value)


async def test_what_a_keyring_says_when_it_refuses_never_carries_the_secret():
    class Refusing(NoKeyring):
        def set_password(self, service, username, password):
            raise PasswordSetError(f"cannot store {password}")

        def get_password(self, service, username):
            raise KeyringLocked("locked")

    store = KeyringSecretStore(KeyringOptions(), Refusing())
    with pytest.raises(ModelMeshError, match="PasswordSetError") as caught:
        await store.set("KEY", Secret(SECRET))
    assert SECRET not in everything_an_error_shows(caught)
    with pytest.raises(ModelMeshError, match="KeyringLocked"):
        await store.get("KEY")


# --- missing libraries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "module", "command"),
    [
        (dotenv, "dotenv.parser", "pip install 'modelmesh-core[dotenv]'"),
        (encrypted, "cryptography.exceptions", "pip install 'modelmesh-core[encrypted-file]'"),
        (lambda folder: KeyringSecretStore(), "keyring", "pip install 'modelmesh-core[keyring]'"),
    ],
)
async def test_a_missing_library_is_named_with_the_command_that_installs_it(
    make, module, command, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConnectorError) as caught:
        await make(tmp_path).set("KEY", Secret(SECRET))
    assert command in str(caught.value)
    assert SECRET not in everything_an_error_shows(caught)
