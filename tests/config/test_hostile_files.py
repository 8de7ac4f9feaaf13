"""Files that are made to do harm, and whatever a generator thinks of."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelmesh_core import ConfigurationError, ConnectorRegistry, Secret
from modelmesh_core.config import MeshConfig

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 deep"),
        ("a: " + "[" * 100_000, "nested more than 50 deep"),
        ("a: " + "{a: " * 100_000, "nested more than 50 deep"),
        ("a: &a [*a]\n", "nested more than 50 deep"),
        ("a: &a {<<: *a}\n", "nested more than 50 deep"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{name}: &{name} [{','.join([f'*{last}'] * 10)}]\n"
                for last, name in zip("abcdef", "bcdefg", strict=True)
            ),
            "more than 500000 values",
        ),
        ("a: '" + "x" * (4 * 1024**2), "larger than 4 MB"),
        ("a: \x00", "special characters are not allowed"),
    ],
    ids=["nested", "unclosed lists", "unclosed mappings", "own list", "own merge", "aliases", "large", "null byte"],
)
def test_it_is_refused_quickly(text: str, message: str, load) -> None:
    started = time.perf_counter()
    with pytest.raises(ConfigurationError, match=message):
        load(text)
    assert time.perf_counter() - started < 20


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_bytes(b"pools:\n  \xff\xfe: 1\n")
    with pytest.raises(ConfigurationError, match=r"mesh\.yaml:2:1: this file is not UTF-8 text"):
        MeshConfig.from_yaml(file)


def test_a_dict_that_holds_itself_is_refused(parse) -> None:
    data: dict[str, Any] = {}
    data["pools"] = data
    with pytest.raises(ConfigurationError, match="nested more than 50 deep"):
        parse(data)


@pytest.mark.parametrize("data", [None, [], "x", 5])
def test_what_is_no_mapping_is_refused(data: Any, parse) -> None:
    with pytest.raises(ConfigurationError, match="expected a mapping at the top"):
        parse(data)


def test_keys_that_are_no_text_are_refused(parse) -> None:
    with pytest.raises(ConfigurationError, match="pools: expected a text as key, found a int"):
        parse({"pools": {5: {}}})


def test_numbers_too_large_to_print_are_refused(parse) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"proxy": {"port": 10**5000, "max_body": -(10**5000)}, "secrets": {"cache_ttl": 10**5000}})
    assert [problem.message.split(", found ")[1] for problem in caught.value.problems] == ["a very large number."] * 3


def attempt(make: Any) -> None:
    try:
        config = make()
    except ConfigurationError as error:
        assert error.problems
        assert str(error)
        return
    config.to_dict()
    repr(config)
    config.merge(config)
    try:
        config.resolve({reference.key: Secret("5") for reference in config.references()})
    except ConfigurationError as error:
        assert error.problems


@quick
@given(text=st.text(alphabet=st.sampled_from("ab: -[]{}\n'\"#&*!|>%@`?,.0123456789$~<\t\\pools"), max_size=60))
def test_no_text_gives_another_error(text: str, tmp_path: Path, registry: ConnectorRegistry) -> None:
    file = tmp_path / "fuzz.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    attempt(lambda: MeshConfig.from_yaml(file, registry))


@quick
@given(data=st.binary(max_size=40))
def test_no_bytes_give_another_error(data: bytes, tmp_path: Path, registry: ConnectorRegistry) -> None:
    file = tmp_path / "fuzz.yaml"
    file.write_bytes(data)
    attempt(lambda: MeshConfig.from_yaml(file, registry))


SECTIONS = (
    "secrets",
    "capabilities",
    "providers",
    "models",
    "pools",
    "storage",
    "observability",
    "connectors",
    "proxy",
)
NAMES = (
    *("acme", "acme.x", "chat-completion", "connector", "api_key", "timeout", "headers", "region", "path", "store"),
    *("capability", "models", "providers", "strategy", "retry", "deactivation", "maintenance_window", "cron", "<<"),
    *("error_codes", "model_weights", "recovery", "cooldown", "features", "pricing", "input", "limits", "batch"),
    *(
        "routing",
        "logging",
        "packages",
        "plugins",
        "sha256",
        "auth",
        "tokens",
        "cors",
        "port",
        "host",
        "hedge",
        "quota",
    ),
    *("capabilities", "upstream_model", "base_url", "options", "id", "name", "total", "workers", "discovery", ""),
)
VALUES = (
    *("acme.chat.v1", "box.local.v1", "cost-first", "${env:A}", "${secrets:A} b", "${", "5s", "32MB", "* * * * *"),
    *("modelmesh.local-file.v1", "error", "acme", "acme.large", "http://x", "vision", "Europe/Berlin", "é", ""),
)
scalars = st.one_of(
    st.sampled_from(VALUES),
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**3000),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=3),
)
keys = st.one_of(st.sampled_from(NAMES), st.text(max_size=5))
trees = st.recursive(
    scalars,
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(keys, children, max_size=4), st.tuples(children)
    ),
    max_leaves=12,
)


@settings(quick, max_examples=400)
@given(data=st.dictionaries(st.sampled_from(SECTIONS), st.dictionaries(keys, trees, max_size=4) | trees, max_size=4))
def test_no_dict_gives_another_error(data: dict[str, Any], registry: ConnectorRegistry) -> None:
    attempt(lambda: MeshConfig.from_dict(data, registry))
