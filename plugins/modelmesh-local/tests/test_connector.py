"""The connector as the mesh sees it: found by its entry point, described by its record."""

import subprocess
import sys

import pytest
from modelmesh_core import CapabilityTree, ConnectorRegistry, Operation
from modelmesh_local.options import LocalOptions


def test_the_registry_finds_it_and_it_needs_no_key():
    connector = ConnectorRegistry().get_connector("provider", "modelmesh.local.v1")

    assert not connector.requires_api_key
    assert connector.options is LocalOptions
    assert connector.environment is None


def test_the_catalogue_is_free_and_names_only_what_the_mesh_knows():
    tree = CapabilityTree()
    models = {model.id: model for model in ConnectorRegistry().get_connector("provider", "modelmesh.local.v1").models()}

    assert set(models) == {"local.smollm2-135m", "local.e5-small"}
    for model in models.values():
        assert model.pricing.is_free
        assert [tree.resolve(capability) for capability in model.capabilities] == list(model.capabilities)
        assert model.source and model.as_of
    assert models["local.smollm2-135m"].delivery.streaming
    assert not models["local.e5-small"].delivery.streaming


@pytest.mark.parametrize(
    "wrong", [{"threads": 0}, {"context_window": 100}, {"context_window": 9000}, {"max_tokens": 0}]
)
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LocalOptions(**wrong)


def test_naming_the_connector_imports_neither_engine_nor_download():
    program = (
        "import sys; from modelmesh_core import ConnectorRegistry, ProviderSettings;"
        "connector = ConnectorRegistry().get_connector('provider', 'modelmesh.local.v1'); connector.models();"
        "connector.create(ProviderSettings('local'));"
        "print([name for name in ('xllamacpp', 'rich', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"


def test_it_does_chat_and_embeddings(provider):
    assert provider.operations == {Operation.CHAT, Operation.EMBEDDINGS}
