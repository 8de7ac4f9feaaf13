"""ConnectorRegistry: found without importing, imported when named, broken ones isolated and named."""

import hashlib
import subprocess
import sys
import textwrap
import zipfile

import pytest
from modelmesh_core import ConnectorError, ConnectorRegistry, ProviderConnector, hookimpl
from modelmesh_core.builtin.openai_compatible import provider_connectors


def wheel(folder, name, files, points):
    """A wheel on disk, as a build tool would make it."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    rows = "\n".join(f"{point} = {target}" for point, target in points.items())
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, textwrap.dedent(text))
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{name}-1.0.dist-info/entry_points.txt", f"[modelmesh.connectors]\n{rows}\n")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    """Packages that a test loads stay with it."""
    monkeypatch.setattr(sys, "path", list(sys.path))


STRATEGY = """
    from modelmesh_core import hookimpl
    @hookimpl
    def select_model(context, candidates):
        return candidates[-1]
"""


def test_the_built_in_connectors_are_found_without_importing_them():
    code = """
        import sys
        from modelmesh_core import ConnectorRegistry
        infos = ConnectorRegistry().list_connectors()
        assert len(infos) >= 25, infos
        assert {i.state for i in infos} == {"available"}
        assert not [m for m in sys.modules if m.startswith("modelmesh_core.builtin.")]
        print(*sorted({i.kind for i in infos}))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["discovery", "observability", "provider", "rotation", "secret-store", "storage"]


@pytest.mark.parametrize("name", ["modelmesh.round-robin.v1", "rotation.modelmesh.round-robin.v1", "round-robin"])
def test_ids_may_be_short_where_they_are_unambiguous(name):
    assert ConnectorRegistry().resolve_id("rotation", name) == "modelmesh.round-robin.v1"


def test_an_unknown_id_suggests_the_nearest():
    with pytest.raises(ConnectorError, match=r"Did you mean modelmesh\.round-robin\.v1"):
        ConnectorRegistry().resolve_id("rotation", "modelmesh.round-robbin.v1")


def test_a_package_on_disk_is_loaded_only_with_its_hash(tmp_path):
    path, digest = wheel(tmp_path, "lastone", {"lastone_mesh.py": STRATEGY}, {"rotation.acme.last.v1": "lastone_mesh"})
    registry = ConnectorRegistry()
    with pytest.raises(ConnectorError, match="SHA-256"):
        registry.load_package(path, "0" * 64)
    assert registry.load_package(path, digest) == ["rotation.acme.last.v1"]
    info = next(i for i in registry.list_connectors("rotation") if i.id == "acme.last.v1")
    assert info.distribution == "lastone 1.0"
    assert registry.get_plugin("rotation", "acme.last.v1").select_model(None, [1, 2, 3]) == 3


def test_a_package_without_entry_points_is_refused(tmp_path):
    path, digest = wheel(tmp_path, "nothing", {"nothing.py": ""}, {})
    with pytest.raises(ConnectorError, match="declares no entry points"):
        ConnectorRegistry().load_package(path, digest)


def test_a_plugin_that_fails_to_import_is_named_and_takes_nobody_down(tmp_path):
    path, digest = wheel(
        tmp_path,
        "broken",
        {"broken_mesh.py": "raise RuntimeError('no such luck')"},
        {"rotation.acme.b.v1": "broken_mesh"},
    )
    registry = ConnectorRegistry()
    registry.load_package(path, digest)
    with pytest.raises(ConnectorError, match=r"acme\.b\.v1 of broken 1\.0 cannot be used: RuntimeError: no such luck"):
        registry.get_plugin("rotation", "acme.b.v1")
    assert next(i for i in registry.list_connectors() if i.id == "acme.b.v1").state == "broken"
    assert registry.get_plugin("rotation", "round-robin") is not None


def test_two_distributions_with_one_id_are_refused_naming_both(tmp_path):
    registry = ConnectorRegistry()
    for name in ("first", "second"):
        path, digest = wheel(tmp_path, name, {f"{name}_m.py": STRATEGY}, {"rotation.acme.same.v1": f"{name}_m"})
        registry.load_package(path, digest)
    with pytest.raises(ConnectorError, match=r"offered by both first 1\.0 and second 1\.0"):
        registry.get_plugin("rotation", "acme.same.v1")


def test_a_misspelt_hook_is_refused_with_the_right_name():
    class Plugin:
        @hookimpl
        def select_modle(self, context, candidates): ...

    with pytest.raises(ConnectorError, match=r"select_modle.*Did you mean select_model"):
        ConnectorRegistry().register(Plugin, id="acme.typo.v1")


def test_a_plugin_that_does_not_yield_its_own_id_is_broken(tmp_path):
    source = """
        from modelmesh_core import ProviderConnector, hookimpl
        @hookimpl
        def provider_connectors():
            yield ProviderConnector(id="acme.other.v1", create=None)
    """
    path, digest = wheel(tmp_path, "liar", {"liar_mesh.py": source}, {"provider.acme.said.v1": "liar_mesh"})
    registry = ConnectorRegistry()
    registry.load_package(path, digest)
    with pytest.raises(ConnectorError, match=r"yields acme\.other\.v1, not acme\.said\.v1"):
        registry.get_connector("provider", "acme.said.v1")


def test_the_same_id_may_exist_once_per_kind():
    registry = ConnectorRegistry(discover=False)
    record = next(iter(provider_connectors()))
    registry.register(record)
    with pytest.raises(ConnectorError, match="registered already"):
        registry.register(record)
    with pytest.raises(ConnectorError, match="no connector id"):
        registry.register(ProviderConnector(id="Not An Id", create=record.create))
