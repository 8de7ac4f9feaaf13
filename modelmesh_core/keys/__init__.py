"""Keys that callers of the gateway prove themselves with: kept as hashes, limited, shared by every process."""

from .access_key import AccessKey, NewKey, Token
from .ring import KeyRing
from .store import KeyStore

__all__ = ["AccessKey", "KeyRing", "KeyStore", "NewKey", "Token"]
