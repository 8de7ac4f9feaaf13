"""One secret in every place that can hold one, and a look at everything that comes out."""

import io
import json
import logging
import traceback

import pytest
from meshes import ask, config
from modelmesh_core import ConfigurationError, ModelMeshError, ObservabilityConnector, ObservabilitySink
from modelmesh_core.registry import ConnectorRegistry
from modelmesh_core.testing import FakeUpstream, answers

KEY, HEADER, PROXY, TOKEN = "sk-key-5EC4E7", "hdr-5EC4E7", "proxyword-5EC4E7", "gateway-5EC4E7"
MARK = "5EC4E7"


class Collecting(ObservabilitySink):
    def __init__(self):
        self.entries = []

    async def write(self, entries):
        self.entries.extend(json.loads(json.dumps(entry, default=repr)) for entry in entries)


def seeded(sink_id):
    settings = config("a.one", "b.two")
    settings["providers"]["a"].update(
        api_key="${secrets:A_KEY}",
        headers={"x-extra": "${env:A_HEADER}"},
        proxy_url=f"http://user:{PROXY}@proxy.test:3128",
    )
    settings["providers"]["b"]["api_key"] = KEY + "-literal"
    settings["secrets"] = {"store": ["modelmesh.memory-secrets.v1"], "values": {"A_KEY": KEY}}
    settings["proxy"] = {"auth": {"tokens": [TOKEN]}}
    settings["observability"] = {
        "routing": {"connector": sink_id},
        "logging": {"connector": sink_id, "level": "full"},
        "statistics": {"connector": sink_id},
    }
    return settings


@pytest.fixture
def everything_said(make_mesh, upstream: FakeUpstream, tmp_path):
    """All text that a mesh gives away while everything goes wrong."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    sink = Collecting()
    registry = ConnectorRegistry()
    registry.register(ObservabilityConnector(id="acme.collect.v1", create=lambda options: sink))
    upstream.script("https://a.test/v1", [answers.error(401, "Incorrect API key provided")])
    upstream.script("https://b.test/v1", [answers.error(500)])
    mesh = make_mesh(seeded("acme.collect.v1"), registry=registry, environ={"A_HEADER": HEADER})
    try:
        ask(mesh)
    except ModelMeshError as error:
        said.write("".join(traceback.format_exception(error)))
        said.write(repr(error) + json.dumps(error.body) + repr(vars(error)))
    said.write(repr(mesh.config) + str(mesh.config) + json.dumps(mesh.config.to_dict(), default=repr))
    said.write(repr(mesh.engine) + json.dumps(mesh.explain("chat").to_dict()) + repr(mesh.explain("chat")))
    said.write(json.dumps(mesh.export_state()) + json.dumps(mesh.stats()) + repr(mesh.pool_status()))
    said.write(repr(mesh.get_client().describe()) + repr(vars(mesh.get_client())))
    for service in mesh.engine.providers.values():
        said.write(repr(service) + repr(service.state) + repr(service.provider))
    for name in upstream.requests:
        said.write(repr(name))
    mesh.save_config(tmp_path / "saved.yaml")
    said.write((tmp_path / "saved.yaml").read_text())
    broken = {**seeded("acme.collect.v1"), "pools": {"x": {"strategy": "nonsense"}}}
    with pytest.raises(ConfigurationError) as caught:
        mesh.reload_config(broken)
    said.write(str(caught.value) + repr(caught.value))
    mesh.shutdown()
    said.write(json.dumps(sink.entries))
    logging.getLogger().removeHandler(handler)
    logging.getLogger().setLevel(logging.WARNING)
    return said.getvalue(), upstream


def test_a_secret_is_sent_where_it_belongs_and_shown_nowhere(everything_said):
    said, upstream = everything_said
    sent = [request.headers for request in upstream.requests_to("https://a.test/v1")]
    assert sent[0]["authorization"] == f"Bearer {KEY}"
    assert sent[0]["x-extra"] == HEADER
    assert len(said) > 5000
    where = said.find(MARK)
    assert where < 0, f"...{said[max(0, where - 300) : where + 40]}..."


def test_events_and_records_did_reach_the_sink(everything_said):
    said, _ = everything_said
    assert '"type": "request"' in said
    assert "provider_deactivated" in said
