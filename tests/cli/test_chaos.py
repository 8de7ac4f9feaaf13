"""``modelmesh chaos``: somebody's own configuration against the faults of providers."""

import json

import pytest
from modelmesh_core.testing import FAULTS

TWO = """
providers:
  openai: {api_key: "${env:A_KEY_THAT_IS_NOT_SET}"}
  other: {connector: modelmesh.openai-compatible.v1, base_url: "http://198.51.100.1/v1"}
models:
  openai.gpt-5: {provider: openai}
  other.small: {provider: other, capabilities: [chat-completion]}
pools:
  chat:
    capability: chat-completion
    strategy: modelmesh.priority-selection.v1
    provider_priority: [openai, other]
"""
CHOSEN = ["http-500", "stream-cut", "http-429-quota", "http-400-invalid", "stream-finish-then-stall", "not-json"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "modelmesh.yaml"
    path.write_text(TWO)
    return path


def chosen(names):
    return [word for name in names for word in ("--fault", name)]


def test_a_good_configuration_gets_a_full_scorecard_without_a_key(run, file):
    done = run("chaos", "--config", str(file), "--json", *chosen(CHOSEN))
    assert done.code == 0, done.out
    card = json.loads(done.out)
    assert card["passed"] == card["total"] == 9
    rows = {(score["fault"], score["delivery"]): score for score in card["scores"]}
    assert rows["http-500", "whole"]["answered_by"] == "other.small"
    assert rows["stream-finish-then-stall", "stream"]["answered_by"] == "openai.gpt-5"
    assert rows["http-400-invalid", "whole"]["seen"] == "InvalidRequestError (400)"
    assert rows["http-400-invalid", "whole"]["calls"] == 1


def test_a_configuration_that_cannot_rotate_fails_and_is_told_why(run, file):
    file.write_text(TWO + "    retry: {scope: same_model}\n")
    done = run("chaos", "--config", str(file), "--fault", "http-500")
    assert done.code == 1
    assert "FAILED" in done.out
    assert "0 of 2 passed." in done.out
    assert "an answer was possible" in done.err
    assert "the retry scope is same_model" in done.err


def test_a_broken_stream_that_nobody_takes_up_fails(run, file):
    file.write_text(TWO + "    on_stream_failure: error\n")
    done = run("chaos", "--config", str(file), "--fault", "stream-cut")
    assert done.code == 1
    assert "ProviderError (502) after a part" in done.out


def test_the_list_names_every_fault(run):
    done = run("chaos", "--list")
    assert done.code == 0
    assert all(name in done.out for name in FAULTS)


def test_an_unknown_fault_and_a_pool_without_chat_models_are_told(run, file):
    done = run("chaos", "--config", str(file), "--fault", "http-499")
    assert done.code == 2
    assert "--list" in done.err
    done = run("chaos", "--config", str(file), "--pool", "nope")
    assert done.code == 3
    assert "nope" in done.err
