# Made by tools/make_face.py from __init__.py: do not edit.

from . import answers as answers
from .storage import DictStorage as DictStorage
from .faults import FAULTS as FAULTS
from .clock import FakeClock as FakeClock
from .upstream import FakeUpstream as FakeUpstream
from .faults import Fault as Fault
from .faults import FaultyProvider as FaultyProvider
from .conformance import ObservabilityConformance as ObservabilityConformance
from .replaying import Replayed as Replayed
from .conformance import SecretStoreConformance as SecretStoreConformance
from .faults import SeenRequest as SeenRequest
from .conformance import StorageConformance as StorageConformance
from .faults import answer_to as answer_to
from .faults import embedding_of as embedding_of
from .flows import play as play
from .replaying import replay as replay
from .replaying import replay_file as replay_file
from .flows import response as response
from .faults import tool_arguments_for as tool_arguments_for

FACE: dict[str, str]
__all__: list[str]
