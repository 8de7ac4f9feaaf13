"""``modelmesh.encrypted-file.v1``: secrets in a file that only a passphrase opens.

Two lines of text: a JSON header with the scrypt parameters and the nonce, and the secrets, encrypted with AES-256-GCM,
in base64. The header is authenticated with them, so that neither can be changed unnoticed.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from modelmesh_core import ModelMeshError, Secret, SecretStoreConnector, hookimpl

from ._common import missing_library
from ._secret_files import FileSecretStore
from .secrets_json import decode_object, encode_object

PASSPHRASE_VARIABLE = "MODELMESH_PASSPHRASE"
_FORMAT = "modelmesh-encrypted-secrets-1"
_LOWEST_COST, _HIGHEST_COST = 14, 20


@attrs.frozen
class EncryptedFileOptions:
    """Options of ``modelmesh.encrypted-file.v1``."""

    path: str = "secrets.enc"
    """The file."""
    passphrase: Secret | None = None
    """Opens the file; default: the environment variable ``MODELMESH_PASSPHRASE``."""
    scrypt_cost: int = attrs.field(
        default=17, validator=[attrs.validators.ge(_LOWEST_COST), attrs.validators.le(_HIGHEST_COST)]
    )
    """For a new file, how dear it is to try a passphrase: 17 takes 128 MB and half a second, each step doubles both."""


class EncryptedFileSecretStore(FileSecretStore):
    """Raises ModelMeshError if the passphrase is missing or wrong, or the file was changed."""

    def __init__(self, options: EncryptedFileOptions | None = None) -> None:
        self._options = options or EncryptedFileOptions()
        super().__init__(self._options.path)
        self._key: tuple[tuple[int, bytes], bytes] | None = None
        self._deriving = threading.Lock()

    def decode(self, content: bytes) -> Mapping[str, str]:
        if not content:
            return {}
        aead, invalid_tag = _library()
        header_line, _, body = content.partition(b"\n")
        cost, salt, nonce = self._header(header_line)
        try:
            ciphertext = base64.b64decode(body.strip(), validate=True)
            plain = aead(self._derive(cost, salt)).decrypt(nonce, ciphertext, header_line)
        except (invalid_tag, ValueError):
            raise ModelMeshError(
                f"{self.path} cannot be decrypted: the passphrase is wrong, or the file was changed.",
                hint=f"Check the option passphrase or {PASSPHRASE_VARIABLE}; else restore the file from a backup.",
            ) from None
        return decode_object(plain, self.path)

    def edit(self, content: bytes, name: str, value: str | None) -> bytes:
        aead, _ = _library()
        secrets = {**self.decode(content), name: value}
        cost, salt = self._options.scrypt_cost, os.urandom(16)
        if content:
            cost, salt, _ = self._header(content.partition(b"\n")[0])
        nonce = os.urandom(12)
        header = {"format": _FORMAT, "cost": cost, "salt": salt.hex(), "nonce": nonce.hex()}
        header_line = json.dumps(header).encode()
        ciphertext = aead(self._derive(cost, salt)).encrypt(nonce, encode_object(secrets), header_line)
        return header_line + b"\n" + base64.b64encode(ciphertext) + b"\n"

    def _header(self, line: bytes) -> tuple[int, bytes, bytes]:
        """Cost, salt and nonce. Nothing vouches for them yet, so they are bounded before any work is done."""
        try:
            header = json.loads(line)
            cost, salt, nonce = header["cost"], bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"])
            sound = header["format"] == _FORMAT and len(salt) == 16 and len(nonce) == 12
            if sound and isinstance(cost, int) and _LOWEST_COST <= cost <= _HIGHEST_COST:
                return cost, salt, nonce
        except (ValueError, KeyError, TypeError):
            pass
        raise ModelMeshError(f"{self.path} is no file of encrypted secrets, or its first line was changed.")

    def _derive(self, cost: int, salt: bytes) -> bytes:
        with self._deriving:  # one derivation takes much memory, and all that ask at once want the same key
            if self._key is None or self._key[0] != (cost, salt):
                from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

                passphrase = unicodedata.normalize("NFC", self._passphrase()).encode()
                self._key = (cost, salt), Scrypt(salt=salt, length=32, n=2**cost, r=8, p=1).derive(passphrase)
            return self._key[1]

    def _passphrase(self) -> str:
        stated = self._options.passphrase
        passphrase = stated.reveal() if stated else os.environ.get(PASSPHRASE_VARIABLE, "")
        if not passphrase:
            raise ModelMeshError(
                f"{self.path} needs a passphrase.", hint=f"Set {PASSPHRASE_VARIABLE}, or the option passphrase."
            )
        return passphrase


def _library() -> tuple[Any, type[Exception]]:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise missing_library("modelmesh.encrypted-file.v1", "cryptography", "encrypted-file") from None
    return AESGCM, InvalidTag


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="modelmesh.encrypted-file.v1",
        create=EncryptedFileSecretStore,
        options=EncryptedFileOptions,
        description="A file encrypted with a passphrase.",
    )
