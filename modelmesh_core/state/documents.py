"""How a state document becomes bytes: its format, its compression and its encryption.

Every document says in its first line how it was made, so that a changed configuration still reads what is there. A
plain JSON document has no such line.
"""

from __future__ import annotations

import gzip
import os
import unicodedata
import zlib
from typing import Any

import attrs
import orjson

from ..errors import ModelMeshError, StorageError
from ..values import Secret

_MARK = b"modelmesh-document-1"
_SALT, _NONCE = 16, 12
_SCRYPT = 2**15
"""Cost of one guess at the passphrase: about 50 ms and 32 MB, paid once by a process."""
_LARGEST = 256 * 1024**2
"""Bytes that a document may be unpacked to."""


@attrs.frozen
class Documents:
    """Writes documents as configured, and reads them however they were written."""

    format: str = "json"
    """``json`` or ``msgpack``."""
    compression: str = "none"
    """``none`` or ``gzip``."""
    passphrase: Secret | None = None
    """AES-256-GCM under a key made of it by scrypt; None writes in clear."""
    _keys: dict[bytes, bytes] = attrs.field(factory=dict[bytes, bytes], init=False, repr=False)
    """Salt → key."""

    def encode(self, value: Any) -> bytes:
        """Raises ModelMeshError if a package for it is not installed."""
        data = orjson.dumps(value)
        if self == _PLAIN:
            return data
        steps = [self.format]
        if self.format == "msgpack":
            data = _msgpack().packb(orjson.loads(data))
        if self.compression == "gzip":
            steps.append("gzip")
            data = gzip.compress(data, 6, mtime=0)
        if self.passphrase is not None:
            steps.append("aes-256-gcm")
        head = b" ".join([_MARK, *(step.encode() for step in steps)]) + b"\n"
        return head + (data if self.passphrase is None else self._encrypted(data, head))

    def decode(self, data: bytes, name: str) -> Any:
        """The value of a document. Raises StorageError, naming it, for one that cannot be read."""
        head, steps, body = _taken_apart(data)
        try:
            if "aes-256-gcm" in steps:
                body = self._decrypted(body, head, name)
            if "gzip" in steps:
                body = _unpacked(body)
            return _msgpack().unpackb(body) if "msgpack" in steps else orjson.loads(body)
        except (ValueError, EOFError, OSError, zlib.error) as error:
            raise StorageError(
                f"{name!r} cannot be read: {error}.",
                hint="Restore it from a backup, or delete it to begin afresh; what it remembers is then forgotten.",
            ) from error

    def _encrypted(self, data: bytes, head: bytes) -> bytes:
        salt = next(iter(self._keys), None) or os.urandom(_SALT)
        nonce = os.urandom(_NONCE)
        return salt + nonce + _aes(self._key(salt)).encrypt(nonce, data, head)

    def _decrypted(self, body: bytes, head: bytes, name: str) -> bytes:
        if self.passphrase is None:
            raise StorageError(
                f"{name!r} is encrypted, and there is no passphrase.", hint="Set storage.encryption.passphrase."
            )
        salt, nonce, ciphertext = body[:_SALT], body[_SALT : _SALT + _NONCE], body[_SALT + _NONCE :]
        from cryptography.exceptions import InvalidTag

        try:
            return _aes(self._key(salt)).decrypt(nonce, ciphertext, head)
        except (InvalidTag, ValueError):
            raise StorageError(
                f"{name!r} cannot be decrypted: the passphrase is wrong, or it was changed.",
                hint="Check storage.encryption.passphrase; else restore it from a backup.",
            ) from None

    def _key(self, salt: bytes) -> bytes:
        found = self._keys.get(salt)
        if found is None:
            found = self._keys[salt] = _derived(self.passphrase, salt)
        return found


_PLAIN = Documents()


def _taken_apart(data: bytes) -> tuple[bytes, list[str], bytes]:
    """The first line, what it says was done, and the rest."""
    if not data.startswith(_MARK + b" "):
        return b"", [], data
    line, _, body = data.partition(b"\n")
    return line + b"\n", line.decode("latin-1").split(" ")[1:], body


def _unpacked(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=_reader(data)) as file:
        unpacked = file.read(_LARGEST + 1)
    if len(unpacked) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST} bytes")
    return unpacked


def _reader(data: bytes) -> Any:
    from io import BytesIO

    return BytesIO(data)


def _derived(passphrase: Secret | None, salt: bytes) -> bytes:
    assert passphrase is not None
    _aes_package()
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    text = unicodedata.normalize("NFC", passphrase.reveal()).encode()
    return Scrypt(salt=salt, length=32, n=_SCRYPT, r=8, p=1).derive(text)


def _aes(key: bytes) -> Any:
    return _aes_package()(key)


def _aes_package() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise _missing("storage.encryption", "cryptography", "encrypted-file") from None
    return AESGCM


def _msgpack() -> Any:
    try:
        import msgpack  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise _missing("storage.format: msgpack", "msgpack", "msgpack") from None
    return msgpack


def _missing(what: str, package: str, extra: str) -> ModelMeshError:
    return ModelMeshError(f"{what} needs the package {package}.", hint=f"pip install 'modelmesh-core[{extra}]'")
