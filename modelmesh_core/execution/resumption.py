"""Taking up a streamed answer that broke off: what was handed on so far, and a stream that begins where that ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..wire.messages import Body, EventKind, Headroom, StreamEvent
from ..wire.shapes import as_object, as_objects
from .provider_service import EventSource

_REASONING = frozenset({"reasoning", "reasoning_content", "reasoning_details"})
_SILENT = frozenset({"role", *_REASONING})
"""Fields of a delta that another model need not say again."""
LEAST_TELLING = 4
"""Characters from which on it is hardly chance that a text goes on by saying all over again what it said first."""


class AnswerDiffersError(Exception):
    """The other model says something else than what the caller has heard already."""


class Transcript:
    """What of a streamed answer the caller has been given."""

    __slots__ = ("_pieces", "created", "id", "obstacle", "pieces_sent")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.id: Any = None
        self.created: Any = None
        self.pieces_sent = 0
        self.obstacle: str | None = None
        """Why nobody can take this answer up: it holds more than one text."""

    @property
    def text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def note(self, event: StreamEvent) -> None:
        """Remember an event that was handed on."""
        chunk = event.chunk
        if chunk is None:
            return
        if self.id is None:
            self.id, self.created = chunk.get("id"), chunk.get("created")
        for choice in as_objects(chunk.get("choices")):
            self._note_choice(choice)

    def _note_choice(self, choice: Body) -> None:
        if choice.get("index"):
            self.obstacle = "several answers were asked for"
        if choice.get("logprobs"):
            self.obstacle = "the probabilities of its tokens were asked for"
        for key, value in as_object(choice.get("delta")).items():
            if key == "content" and isinstance(value, str):
                if value:
                    self._pieces.append(value)
                    self.pieces_sent += 1
            elif value and key not in _SILENT:
                self.obstacle = f"{key} had begun, and halves of two models do not fit together"


class Continuation:
    """An EventSource over another model's stream: only what comes after the text that was sent before.

    ``prefilled``: the model was told to go on from there. Otherwise it begins anew, and has to say the same again.
    Raises AnswerDiffersError as soon as it does not.
    """

    def __init__(self, source: EventSource, sent: Transcript, *, prefilled: bool) -> None:
        self._source = source
        self._sent = sent.text
        self._identity: Body = {"id": sent.id, "created": sent.created}
        self._prefilled = prefilled
        self._is_telling = len(self._sent) >= LEAST_TELLING and self._sent not in (self._sent * 2)[1:-1]
        """Whether its repetition means that the prefill was ignored: not where it repeats itself, such as ``----``."""
        self._said = ""
        self._passes = False
        self.headroom: Headroom = source.headroom
        self.swallowed = 0
        """Content events that were not handed on."""

    async def read(self) -> Sequence[StreamEvent] | None:
        batch = await self._source.read()
        if batch is None:
            return None
        return [fitted for event in batch if (fitted := self._fitted(event)) is not None]

    async def aclose(self) -> None:
        await self._source.aclose()

    def _fitted(self, event: StreamEvent) -> StreamEvent | None:
        if event.chunk is None:
            return event
        if event.kind is EventKind.USAGE:
            return StreamEvent(EventKind.USAGE, {**event.chunk, **self._identity}, usage=event.usage)
        if event.kind is EventKind.OPENING and event.usage is None:
            return None
        choices = event.chunk.get("choices")
        choice = cast(Body, choices[0]) if isinstance(choices, list) and choices else {}
        delta = {key: value for key, value in cast(Body, choice.get("delta") or {}).items() if key != "role"}
        if not self._passes:
            delta = self._without_what_was_sent(delta, ends=event.finish_reason is not None)
        if not delta and event.finish_reason is None and event.usage is None:
            return None
        chunk = {**event.chunk, **self._identity, "choices": [{**choice, "index": 0, "delta": delta}]}
        kind = EventKind.CONTENT if delta else EventKind.FINISH if event.finish_reason else EventKind.OPENING
        return StreamEvent(kind, chunk, usage=event.usage, finish_reason=event.finish_reason)

    def _without_what_was_sent(self, delta: Body, *, ends: bool) -> Body:
        """``delta`` as it is to be handed on; empty while it only says again what was said."""
        text = delta.get("content")
        others = {key: value for key, value in delta.items() if key != "content" and key not in _REASONING and value}
        if not (text or others or ends):
            return {}
        self._said += text if isinstance(text, str) else ""
        known = self._known_part(is_last=ends or bool(others))
        if known is None:
            self.swallowed += bool(text)
            return {}
        self._passes = True
        rest = self._said[known:]
        return {**({"content": rest} if rest else {}), **others}

    def _known_part(self, *, is_last: bool) -> int | None:
        """How many characters of what it has said so far were sent before; None while that cannot be told."""
        said, sent = self._said, self._sent
        may_repeat = not self._prefilled or self._is_telling
        if may_repeat and said.startswith(sent):
            return len(sent)
        if may_repeat and sent.startswith(said) and not is_last:
            return None
        if not self._prefilled:
            raise AnswerDiffersError("its answer differs from what was sent before")
        # The text ends without its closing whitespace where it is given as a prefill: the model may say it again.
        white = sent[len(sent.rstrip()) :]
        if white.startswith(said) and len(said) < len(white) and not is_last:
            return None
        return next((n for n in range(min(len(white), len(said)), 0, -1) if white.startswith(said[:n])), 0)
