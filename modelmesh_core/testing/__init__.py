"""What plugin authors use: a fake clock, scripted providers, faulty providers, and conformance suites.

    from modelmesh_core import ModelMesh
    from modelmesh_core.testing import FakeUpstream, answers

    upstream = FakeUpstream()
    upstream.script("https://a.test/v1", [answers.error(500), answers.chat("hello")])
    mesh = ModelMesh(config, clock=upstream.clock, make_transport=upstream.make_transport)

Names are imported when first used: the conformance suites need pytest, the others do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

FACE = {
    "FAULTS": ".faults",
    "FakeClock": ".clock",
    "FakeUpstream": ".upstream",
    "Fault": ".faults",
    "FaultyProvider": ".faults",
    "SeenRequest": ".faults",
    "answer_to": ".faults",
    "embedding_of": ".faults",
    "tool_arguments_for": ".faults",
    "DictStorage": ".storage",
    "ObservabilityConformance": ".conformance",
    "SecretStoreConformance": ".conformance",
    "StorageConformance": ".conformance",
    "play": ".flows",
    "response": ".flows",
    "Replayed": ".replaying",
    "replay": ".replaying",
    "replay_file": ".replaying",
}
__all__ = sorted(["answers", *FACE])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "answers":
        return import_module(".answers", __name__)
    if name not in FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(FACE[name], __name__), name)
