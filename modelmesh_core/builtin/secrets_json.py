"""``modelmesh.json-secrets.v1``: secrets in a JSON file, one object of names and strings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import attrs
from modelmesh_core import ModelMeshError, SecretStoreConnector, hookimpl

from ._secret_files import FileSecretStore, utf8


@attrs.frozen
class JsonSecretsOptions:
    """Options of ``modelmesh.json-secrets.v1``."""

    path: str = "secrets.json"
    """The file: ``{"NAME": "secret", ...}``."""


class JsonSecretStore(FileSecretStore):
    """A JSON object, its order kept. Raises ModelMeshError for anything else, never quoting the file."""

    def __init__(self, options: JsonSecretsOptions | None = None) -> None:
        super().__init__((options or JsonSecretsOptions()).path)

    def decode(self, content: bytes) -> Mapping[str, str]:
        return decode_object(content, self.path)

    def edit(self, content: bytes, name: str, value: str | None) -> bytes:
        return encode_object({**self.decode(content), name: value})


def decode_object(content: bytes, path: Path) -> dict[str, str]:
    """The names and strings in ``content``. Raises ModelMeshError naming ``path``."""
    if not content.strip():
        return {}
    try:
        found: Any = json.loads(utf8(content, path))
    except json.JSONDecodeError as error:
        raise ModelMeshError(f"{path}:{error.lineno}:{error.colno}: no valid JSON: {error.msg}.") from None
    if not isinstance(found, dict):
        raise ModelMeshError(f"{path} must hold one object of names and secrets.", hint='{"NAME": "secret"}')
    secrets = cast(dict[str, Any], found)
    for name, value in secrets.items():
        if not isinstance(value, str):
            raise ModelMeshError(f"{path}: the value of {name} is no string.", hint="Put it in double quotes.")
    return secrets


def encode_object(secrets: Mapping[str, str | None]) -> bytes:
    """The file's text for ``secrets``; names without a value are left out."""
    kept = {name: value for name, value in secrets.items() if value is not None}
    return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="modelmesh.json-secrets.v1",
        create=JsonSecretStore,
        options=JsonSecretsOptions,
        description="A JSON file of names and secrets.",
    )
