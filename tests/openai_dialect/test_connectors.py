"""The built-in connectors of the dialect: addresses, keys, catalogues."""

from decimal import Decimal

import orjson
import pytest
from modelmesh_core import CapabilityTree, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_core.builtin import local_servers, openai, openai_compatible
from modelmesh_core.catalogue.definitions import FEATURES, operations_of

CONNECTORS = {
    connector.id: connector
    for module in (openai, openai_compatible, local_servers)
    for connector in module.provider_connectors()
}


def url_of(connector_id, base_url):
    provider = CONNECTORS[connector_id].create(ProviderSettings("x", Secret("k"), base_url))
    call = ProviderCall(Operation.CHAT, "m", {"model": "x", "messages": []})
    return next(provider.execute(call)).url


def test_every_connector_of_the_family_is_there():
    assert set(CONNECTORS) == {
        "openai.llm.v1",
        "modelmesh.openai-compatible.v1",
        "ollama.local.v1",
        "lmstudio.local.v1",
        "vllm.local.v1",
        "localai.local.v1",
    }
    assert [name for name, connector in CONNECTORS.items() if connector.requires_api_key] == ["openai.llm.v1"]


def test_openai_is_found_in_the_environment_by_its_usual_names():
    connector = CONNECTORS["openai.llm.v1"]

    assert connector.environment.api_key == ("OPENAI_API_KEY",)
    assert connector.environment.base_url == ("OPENAI_BASE_URL",)
    assert url_of(connector.id, connector.default_base_url) == "https://api.openai.com/v1/chat/completions"


def test_the_openai_catalogue_names_only_what_the_mesh_knows():
    tree = CapabilityTree()
    models = {model.id: model for model in CONNECTORS["openai.llm.v1"].models()}

    assert {
        "openai.gpt-4.1",
        "openai.gpt-4o-mini",
        "openai.o3",
        "openai.gpt-5",
        "openai.text-embedding-3-small",
    } <= set(models)
    for model in models.values():
        assert [tree.resolve(name) for name in model.capabilities]
        assert model.features <= FEATURES
        if {Operation.CHAT, Operation.EMBEDDINGS} & operations_of(map(tree.resolve, model.capabilities)):
            assert model.pricing.input > 0
            assert model.constraints.context_window >= 8192
        assert model.source and len(model.as_of) == 10
    chat = models["openai.gpt-4.1"]
    assert (chat.pricing.input, chat.pricing.cached_input, chat.pricing.output) == (2, Decimal("0.5"), 8)
    assert (chat.constraints.context_window, chat.constraints.max_output_tokens) == (1_047_576, 32_768)
    assert not models["openai.text-embedding-3-small"].delivery.streaming


@pytest.mark.parametrize(
    ("host", "base"),
    [
        (None, "http://localhost:11434/v1"),
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("gpu-box:9000", "http://gpu-box:9000/v1"),
        (":9000", "http://localhost:9000/v1"),
        ("http://gpu-box:9000", "http://gpu-box:9000/v1"),
        ("http://gpu-box:9000/v1/", "http://gpu-box:9000/v1"),
        ("https://gpu.example", "https://gpu.example/v1"),
        ("https://example.org/ollama", "https://example.org/ollama/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000/v1"),
        ("[::1]:9000", "http://[::1]:9000/v1"),
        ("[::]", "http://[::1]:11434/v1"),
    ],
)
def test_a_host_may_be_written_as_people_write_it(host, base):
    assert url_of("ollama.local.v1", host) == f"{base}/chat/completions"


@pytest.mark.parametrize(
    ("connector_id", "variable", "base"),
    [
        ("ollama.local.v1", "OLLAMA_HOST", "http://localhost:11434/v1"),
        ("lmstudio.local.v1", "LMSTUDIO_HOST", "http://localhost:1234/v1"),
        ("vllm.local.v1", "VLLM_HOST", "http://localhost:8000/v1"),
        ("localai.local.v1", "LOCALAI_HOST", "http://localhost:8080/v1"),
    ],
)
def test_each_local_server_has_its_own_address_and_variable(connector_id, variable, base):
    connector = CONNECTORS[connector_id]

    assert connector.default_base_url == base
    assert url_of(connector_id, connector.default_base_url) == f"{base}/chat/completions"
    assert connector.environment.base_url == connector.environment.required == (variable,)


@pytest.mark.parametrize("host", ["http://me:pass@box", "ftp://box", "box:port"])
def test_a_host_that_cannot_work_is_refused(host):
    with pytest.raises(ValueError, match=r"providers\.x\.base_url"):
        url_of("vllm.local.v1", host)


def test_a_compatible_server_needs_an_address_and_no_key():
    connector = CONNECTORS["modelmesh.openai-compatible.v1"]
    with pytest.raises(ValueError, match="base_url is missing"):
        connector.create(ProviderSettings("x"))

    provider = connector.create(ProviderSettings("x", base_url="http://box/api"))
    request = next(provider.execute(ProviderCall(Operation.EMBEDDINGS, "m", {"model": "y", "input": "a"})))

    assert (request.url, orjson.loads(request.body)) == ("http://box/api/embeddings", {"model": "m", "input": "a"})
    assert "authorization" not in request.headers
