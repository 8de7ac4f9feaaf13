# Made by tools/make_face.py from __init__.py: do not edit.

from . import answers as answers
from .storage import DictStorage as DictStorage
from .clock import FakeClock as FakeClock
from .upstream import FakeUpstream as FakeUpstream
from .conformance import ObservabilityConformance as ObservabilityConformance
from .conformance import SecretStoreConformance as SecretStoreConformance
from .conformance import StorageConformance as StorageConformance

FACE: dict[str, str]
__all__: list[str]
