"""A secret that stands in a configuration gets out nowhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from modelmesh_core import ConfigurationError, ConnectorRegistry, Secret
from modelmesh_core.config import MeshConfig
from modelmesh_core.config.export import to_yaml

SEED = "sk-live-5EEDED"

SEEDED = {
    "secrets": {"store": ["hashicorp.vault.v1"], "token": SEED},
    "providers": {
        "acme": {
            "api_key": SEED,
            "proxy_url": f"http://me:{SEED}@proxy",
            "headers": {"x-other": SEED, "authorization": f"Bearer {SEED}"},
            "signing_key": SEED,
        },
        "mybox": {"base_url": "http://${env:SEED}/v1", "api_key": Secret(SEED)},
    },
    "pools": {"chat": {"capability": "chat-completion", "models": ["${secrets:SEED}"]}},
    "models": {"acme.large": {}, "acme.x": {"upstream_model": "${env:SEED}"}},
    "proxy": {"auth": {"tokens": [SEED, "${env:SEED}"]}},
}


def parts(value: Any) -> Iterator[Any]:
    """``value`` and everything in it."""
    yield value
    if attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            if field.name not in ("root", "registry"):
                yield from parts(getattr(value, field.name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from parts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from parts(item)


def test_no_repr_shows_a_secret(parse) -> None:
    config = parse(SEEDED)
    resolved = config.resolve({"env:SEED": Secret("acme.large"), "secrets:SEED": Secret("acme.large")})
    for made in (config, resolved):
        assert not [part for part in parts(made) if SEED in repr(part)]
    assert "acme.large" not in repr(resolved.providers)
    assert resolved.providers["acme"].api_key.reveal() == SEED


def test_an_exported_configuration_keeps_references_and_hides_what_stands_in_clear(parse) -> None:
    config = parse(SEEDED)
    for made in (config, config.resolve({"env:SEED": Secret("x"), "secrets:SEED": Secret("acme.large")})):
        exported = made.to_dict()
        assert SEED not in str(exported)
        assert SEED not in to_yaml(made)
        assert exported["providers"]["acme"]["api_key"] == "***"
        assert exported["providers"]["acme"]["headers"] == {"x-other": "***", "authorization": "***"}
        assert exported["providers"]["acme"]["signing_key"] == "***"
        assert exported["providers"]["mybox"]["base_url"] == "http://${env:SEED}/v1"
        assert exported["proxy"]["auth"]["tokens"] == ["***", "${env:SEED}"]
        assert exported["secrets"] == {"store": ["hashicorp.vault.v1"], "token": "***"}


@pytest.mark.parametrize(
    "text",
    [
        f"providers: {{acme: {{api_key: [{SEED}]}}}}",
        f"providers: {{acme: {{api_key: {{a: {SEED}}}}}}}",
        f"providers: {{acme: {SEED}}}",
        f"providers: {SEED}",
        f"providers: {{acme: {{api_kye: {SEED}}}}}",
        f"providers: {{acme: {{api_key: '{SEED}}}}}",
        f'providers: {{acme: {{api_key: "\\q{SEED}"}}}}',
        f"providers: {{acme: {{api_key: *{SEED}}}}}",
        f"providers: {{acme: {{api_key: !{SEED} x}}}}",
        f"providers: {{acme: {{api_key: '${{{SEED}}}'}}}}",
        f"providers: {{acme: {{api_key: '${{{SEED}:x}}'}}}}",
        f"providers: {{acme: {{base_url: 'http://me:{SEED}@host'}}}}",
        f"providers: {{acme: {{headers: {SEED}}}}}",
        f"providers: {{acme: {{signing_key: [{SEED}]}}}}",
        f"providers: {{acme: {{timeout: {{total: {SEED}}}}}}}",
        f"proxy: {{auth: {{tokens: {SEED}}}}}",
        f"proxy: {{auth: {SEED}}}",
        f"secrets: {{store: hashicorp.vault.v1, token: [{SEED}]}}",
        f"api_key: {SEED}",
        f"{SEED}",
        f"a: b: {SEED}",
    ],
)
def test_no_error_shows_a_secret(text: str, tmp_path: Path, registry: ConnectorRegistry) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        MeshConfig.from_yaml(file, registry)
    shown = f"{caught.value} {caught.value.problems!r} {caught.value.body} {caught.value.__cause__}"
    if "total" not in text:  # a duration is no secret: it is shown, shortened
        assert SEED not in shown


def test_a_number_in_the_place_of_a_key_is_not_shown_either(parse) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"providers": {"acme": {"api_key": 48151623}}, "proxy": {"auth": {"tokens": [42424242]}}})
    assert "found a number that is not shown. Put it in quotes." in str(caught.value)
    assert "48151623" not in str(caught.value)
    assert "42424242" not in str(caught.value)


def test_long_values_are_shortened(parse) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"http_engine": "x" * 5000, "pools": {"z": {"capability": "y" * 5000, "models": ["z" * 5000]}}})
    assert len(caught.value.problems) == 3
    assert len(str(caught.value)) < 500
