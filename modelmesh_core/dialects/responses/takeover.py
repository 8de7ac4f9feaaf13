"""What a vendor's own events had said, for an answer that goes on from another model."""

from __future__ import annotations

import orjson

from ...wire.messages import Body
from ...wire.shapes import as_count, as_list, as_object, as_text
from .assembly import ResponseAssembly
from .growing import ARGUMENT_EVENTS, PART_OF_EVENT, GrowingItem

LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
"""Events after which nothing comes."""


def name_of(raw: bytes) -> str:
    """The type of an event."""
    return as_text(_decoded(raw).get("type"))


def absorb(assembly: ResponseAssembly, raws: list[bytes]) -> None:
    """Bring ``assembly`` to where a caller is who was sent ``raws``, without writing any event."""
    assembly.log.muted = True
    for raw in raws:
        event = _decoded(raw)
        assembly.log.number = max(assembly.log.number, as_count(event.get("sequence_number")) + 1)
        _absorb_one(assembly, event, as_text(event.get("type")))
    assembly.log.muted = False
    if [name_of(raw) for raw in raws] == ["response.created"]:
        assembly.log.add("response.in_progress", response=assembly.head)


def _absorb_one(assembly: ResponseAssembly, event: Body, name: str) -> None:
    if name in ("response.created", "response.in_progress"):
        assembly.begin({})
        assembly.head |= {**as_object(event.get("response")), "output": []}
        return
    if name == "response.output_item.added":
        assembly.begin({})
        index = event.get("output_index")
        growing = GrowingItem(assembly.log, as_object(event.get("item")), len(assembly.items))
        growing.index = index if isinstance(index, int) else growing.index
        assembly.items.append(growing)
        return
    found = next((one for one in assembly.items if one.index == event.get("output_index")), None)
    if found is None:
        return
    base, _, ending = name.rpartition(".")
    delta = event.get("delta")
    if name == "response.output_item.done":
        found.replace(as_object(event.get("item")))
    elif name == "response.output_text.annotation.added":
        found.annotate(as_object(event.get("annotation")))
    elif ending == "added" and (kind := as_text(as_object(event.get("part")).get("type"))) in PART_OF_EVENT.values():
        found.part(kind, event.get("summary_index"))
    elif ending == "delta" and isinstance(delta, str) and base in PART_OF_EVENT:
        logprobs = [as_object(one) for one in as_list(event.get("logprobs"))]
        found.say(PART_OF_EVENT[base], delta, event.get("summary_index"), logprobs)
    elif ending == "done" and base.endswith("_part"):
        found.end_part()
    elif ending == "done" and (base in PART_OF_EVENT or base in ARGUMENT_EVENTS):
        found.end_text()
    elif ending == "delta" and isinstance(delta, str) and base in ARGUMENT_EVENTS:
        found.argue(delta)


def _decoded(raw: bytes) -> Body:
    try:
        return as_object(orjson.loads(raw))
    except ValueError:
        return {}
