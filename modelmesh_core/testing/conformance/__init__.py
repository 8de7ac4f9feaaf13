"""Conformance suites: classes of pytest tests that a connector's own test class inherits.

    from modelmesh_core.testing import StorageConformance

    class TestAcmeStorage(StorageConformance):
        def make(self, folder, clock):
            return AcmeStorage(AcmeOptions(path=folder / "acme.db"), clock)

The tests are plain functions: they need pytest and no plugin of it.
"""

from __future__ import annotations

from .observability import ObservabilityConformance
from .secret_store import SecretStoreConformance
from .storage import StorageConformance

__all__ = ["ObservabilityConformance", "SecretStoreConformance", "StorageConformance"]
