"""What a connector makes of a recorded exchange."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import orjson

from ...errors import Failure, FailureKind, ProviderError
from ...interfaces.provider import StreamDecoder
from ...openai_dialect import fold_chunks
from ...wire.http import HttpRequest, HttpResponse
from ...wire.messages import Body, EventKind, Headroom, Reply, StreamEvent, Usage
from ...wire.shapes import as_list, as_object, as_text
from .matching import Match, Matcher
from .recording import Recording


@attrs.define
class Replayed:
    """One exchange, replayed. ``ok`` is False where the connector could not make sense of it; see ``error``."""

    id: str
    connector: str | None = None
    ok: bool = True
    text: str = ""
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    """``{"name", "arguments"}``; the arguments decoded, or as text where they are no JSON."""
    finish_reason: str | None = None
    usage: Usage | None = None
    failure: Failure | None = None
    """What the provider reported: a failure that was understood is ok."""
    headroom: Headroom = attrs.field(factory=dict[str, Any])
    embeddings: tuple[int, int] | None = None
    """How many, and of how many dimensions."""
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        usage, failure = self.usage, self.failure
        buckets = ("input", "output", "cached_input", "cache_write", "reasoning")
        return {
            "id": self.id,
            "connector": self.connector,
            "ok": self.ok,
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": self.tool_calls,
            "finish_reason": self.finish_reason,
            "usage": None if usage is None else {name: getattr(usage, name) for name in buckets},
            "failure": None if failure is None else {"kind": failure.kind.value, "retry_after": failure.retry_after},
            "headroom": {kind: attrs.asdict(report) for kind, report in self.headroom.items()},
            "embeddings": None if self.embeddings is None else list(self.embeddings),
            "error": self.error,
        }


_matcher: list[Matcher] = []


Cut = Callable[[bytes], Iterable[bytes]]
"""A body → its pieces, as they could come from a socket."""


def replay(
    recording: Mapping[str, Any] | Recording, matcher: Matcher | None = None, cut: Cut | None = None
) -> Replayed:
    """Push one recorded exchange through the connector that its provider and URL call for. Never raises.

    ``recording`` is one line of a cassette; see Recording for its fields. ``matcher`` knows other connectors than the
    installed ones. ``cut`` says in which pieces the body of a stream comes; the outcome must not depend on it.
    """
    if matcher is None:
        if not _matcher:
            _matcher.append(Matcher())
        matcher = _matcher[0]
    identity = recording.id if isinstance(recording, Recording) else str(recording.get("id") or "")
    try:
        recorded = recording if isinstance(recording, Recording) else Recording.of(recording)
        matches = matcher.find_all(recorded)
    except Exception as error:
        return Replayed(identity, ok=False, error=f"it cannot be read: {type(error).__name__}: {error}")
    if not matches:
        what = " ".join(filter(None, (recorded.provider, recorded.kind, recorded.method, recorded.path)))
        return Replayed(identity, ok=False, error=f"no connector that is installed would send this: {what}")
    outcomes: list[Replayed] = []
    for match in matches:
        outcomes.append(_replayed(match, recorded, cut or _uncut))
        if outcomes[-1].ok:
            return outcomes[-1]
    return outcomes[0]


def _uncut(body: bytes) -> list[bytes]:
    return [body]


def _replayed(match: Match, recording: Recording, cut: Cut) -> Replayed:
    replayed = Replayed(recording.id)
    for version in recording.versions:
        replayed = Replayed(recording.id, match.connector)
        try:
            _play(match, version, replayed, cut)
        except Exception as error:
            replayed.ok, replayed.error = False, f"{match.connector} broke: {type(error).__name__}: {error}"
        if replayed.ok:
            break
    return replayed


def replay_file(path: str | Path, matcher: Matcher | None = None) -> Iterator[Replayed]:
    """Every line of a JSONL cassette. Raises OSError if it cannot be read."""
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                data = orjson.loads(line)
            except ValueError as error:
                yield Replayed(f"{path}#{number}", ok=False, error=f"the line is not JSON: {error}")
                continue
            yield replay(data, matcher)


def _play(match: Match, recording: Recording, replayed: Replayed, cut: Cut) -> None:
    response = recording.response
    try:
        result = _driven(match.provider.execute(match.call), response, stream=match.call.stream)
        if isinstance(result, Reply):
            _note_reply(replayed, result)
        else:
            _note_stream(replayed, result, cut(response.body))
    except ProviderError as error:
        replayed.failure = error.failure
    failure = replayed.failure
    if failure is not None and failure.kind is FailureKind.UNDECODABLE:
        replayed.ok, replayed.error = False, failure.message


def _driven(flow: Generator[HttpRequest, HttpResponse, Any], response: HttpResponse, *, stream: bool) -> Any:
    """The flow's result: it gets the one response that was recorded."""
    request = next(flow)
    is_success = 200 <= response.status < 300
    head = attrs.evolve(response, body=b"") if stream and request.stream and is_success else response
    try:
        flow.send(head)
    except StopIteration as stop:
        return stop.value
    finally:
        flow.close()
    raise ValueError("the connector asks for more than the one exchange that was recorded")


def _note_reply(replayed: Replayed, reply: Reply) -> None:
    replayed.usage, replayed.headroom = reply.usage, reply.headroom
    replayed.finish_reason = reply.finish_reason
    _note_body(replayed, reply.body)


def _note_stream(replayed: Replayed, decoder: StreamDecoder, pieces: Iterable[bytes]) -> None:
    events: list[StreamEvent] = [event for piece in pieces for event in decoder.feed(piece)]
    events += decoder.finish()
    replayed.headroom = decoder.headroom
    for event in events:
        replayed.usage = event.usage or replayed.usage
        replayed.finish_reason = event.finish_reason or replayed.finish_reason
        if event.kind is EventKind.ERROR and event.error is not None:
            replayed.failure = event.error.failure
    chunks = [event.chunk for event in events if event.chunk is not None]
    _note_body(replayed, fold_chunks(chunks))
    completed = [as_object(choice).get("text") for chunk in chunks for choice in as_list(chunk.get("choices"))]
    replayed.text = "".join(filter(None, map(as_text, completed))) or replayed.text  # of a text completion
    if not events:
        replayed.ok, replayed.error = False, "the stream holds no event"
    elif decoder.skipped:
        replayed.ok, replayed.error = False, f"{decoder.skipped} events of the stream make no sense"
    elif replayed.failure is None and not _has_end(events, replayed.finish_reason):
        replayed.ok, replayed.error = False, "the stream ends without a finish reason"


def _has_end(events: Iterable[StreamEvent], finish_reason: str | None) -> bool:
    is_chat = any(event.chunk is not None and "choices" in event.chunk for event in events)
    ended = any(event.kind in (EventKind.FINISH, EventKind.DONE) for event in events)
    return finish_reason is not None if is_chat else ended


def _note_body(replayed: Replayed, body: Body) -> None:
    rows = [as_object(row).get("embedding") for row in as_list(body.get("data"))]
    vectors = [vector for vector in rows if vector is not None]
    if vectors:
        replayed.embeddings = (len(vectors), _dimensions(vectors[0]))
    choices = as_list(body.get("choices"))
    choice = as_object(choices[0]) if choices else {}
    message = as_object(choice.get("message"))
    replayed.text = _text(message.get("content")) or as_text(choice.get("text", body.get("text")))
    replayed.reasoning = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    legacy = [{"function": message["function_call"]}] if message.get("function_call") else []
    replayed.tool_calls = [_called(as_object(call)) for call in as_list(message.get("tool_calls")) or legacy]


def _dimensions(vector: Any) -> int:
    """Of a list, or of what base64 says of 32-bit floats."""
    return len(base64.b64decode(vector)) // 4 if isinstance(vector, str) else len(as_list(vector))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(as_text(as_object(part).get("text")) for part in as_list(content))


def _called(call: Body) -> dict[str, Any]:
    function = as_object(call.get("function")) or as_object(call.get("custom"))
    arguments: Any = function.get("arguments", function.get("input"))
    if isinstance(arguments, str):
        with suppress(ValueError):  # what is no JSON is told as the provider wrote it
            arguments = orjson.loads(arguments) if arguments.strip() else {}
    return {"name": function.get("name"), "arguments": arguments}
