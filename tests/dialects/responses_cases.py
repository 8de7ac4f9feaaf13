"""What the tests of the Responses dialect share: a judge by OpenAI's own document, a reader of streams, recordings."""

import base64
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from modelmesh_core import Headers, HttpResponse, StreamEvent
from modelmesh_core.dialects.responses import OpenAIResponses
from modelmesh_core.openai_dialect import OpenAIStreamDecoder
from modelmesh_core.wire.sse import SSEDecoder

SHARED = Path(__file__).parents[3] / "shared"
VENDORS = ("openai", "azure-openai", "azure-foundry", "xai", "bedrock", "deepseek", "openrouter", "localhost")
RESPONSES = OpenAIResponses()


@cache
def _components() -> Any:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML to read OpenAI's document")
    path = SHARED / "openapi" / "openai.yml"
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def _judge(schema: str) -> jsonschema.Draft202012Validator:
    if not (SHARED / "openapi" / "openai.yml").is_file():
        pytest.skip("needs OpenAI's OpenAPI document in ../shared/openapi, which is not here")
    whole = {"$ref": f"#/components/schemas/{schema}", "components": _components()["components"]}
    return jsonschema.Draft202012Validator(whole)


def judge(schema: str, value: Any) -> None:
    """Fails where ``value`` is not what OpenAI's document calls ``schema``."""
    error = jsonschema.exceptions.best_match(_judge(schema).iter_errors(json.loads(json.dumps(value))))
    assert error is None, f"{schema} at {list(error.absolute_path)}: {error.message[:300]}"


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream; each names its type twice."""
    decoder = SSEDecoder()
    found: list[dict[str, Any]] = []
    for name, payload in [*decoder.feed(data), *decoder.finish()]:
        body = json.loads(payload)
        assert body["type"] == name
        found.append(body)
    return found


_PARTS = {
    "response.output_text": ("response.content_part", "content_index", "text"),
    "response.refusal": ("response.content_part", "content_index", "refusal"),
    "response.reasoning_text": ("response.content_part", "content_index", "text"),
    "response.reasoning_summary_text": ("response.reasoning_summary_part", "summary_index", "text"),
}
_CALLS = {"response.function_call_arguments": "arguments", "response.custom_tool_call_input": "input"}


def check_grammar(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Follows a stream from its first event to its last, whose response it gives back."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    items: dict[int, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    texts: dict[tuple[Any, ...], str] = {}
    closed: set[tuple[Any, ...]] = set()
    for event in events[2:-1]:
        base, _, ending = event["type"].rpartition(".")
        index = event["output_index"]
        if event["type"] == "response.output_item.added":
            assert index == len(items)
            items[index] = event["item"]
            continue
        assert index in items and index not in done
        if event["type"] == "response.output_item.done":
            assert event["item"]["id"] == items[index]["id"]
            assert all(key in closed for key in texts if key[0] == index)
            done[index] = event["item"]
            continue
        assert event["item_id"] == items[index]["id"]
        if base in _PARTS:
            place = (index, *_PARTS[base][:2], event[_PARTS[base][1]])
            assert place in texts and place not in closed
            if ending == "delta":
                texts[place] += event["delta"]
            else:
                assert event[_PARTS[base][2]] == texts[place] and (base, place) not in closed
                closed.add((base, place))
        elif base in _CALLS:
            place = (index, base)
            texts[place] = texts.get(place, "") + (event["delta"] if ending == "delta" else "")
            if ending == "done":
                assert event[_CALLS[base]] == texts[place]
                closed.add(place)
        elif ending in ("added", "done") and base.endswith("_part"):
            key = next(key for key in ("content_index", "summary_index") if key in event)
            place = (index, base, key, event[key])
            assert (place not in texts) if ending == "added" else (place in texts and place not in closed)
            texts.setdefault(place, "")
            if ending == "done":
                closed.add(place)
        else:
            assert event["type"] == "response.output_text.annotation.added"
    last = events[-1]
    assert last["type"] == f"response.{last['response']['status']}"
    if last["type"] != "response.failed":
        assert set(done) == set(items)
        assert [one["id"] for one in last["response"]["output"]] == [done[index]["id"] for index in sorted(done)]
    return last["response"]


def written(chunks: list[dict[str, Any]], body: dict[str, Any] | None = None) -> bytes:
    """A chat completion's chunks as the stream that a caller gets."""
    decoder, writer = OpenAIStreamDecoder(), RESPONSES.writer(body or {"model": "m", "input": "hi"})
    pieces = [writer.write([decoder.event(chunk)]) for chunk in chunks]
    return b"".join((*pieces, writer.end()))


def cut(data: bytes, seed: int) -> Iterator[bytes]:
    """``data`` in pieces of random sizes."""
    chance, start = random.Random(seed), 0
    while start < len(data):
        end = start + chance.choice((1, 2, 7, 50, 400, 5000))
        yield data[start:end]
        start = end


def plain(events: list[StreamEvent]) -> list[dict[str, Any]]:
    """The chunks of ``events``."""
    return [event.chunk for event in events if event.chunk is not None]


class Recording:
    """One recorded exchange over the Responses API."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.id, self.provider, response = data["id"], data["provider"], data["response"]
        self.status = response.get("status") or 200
        own = response.get("body_base64")
        body = base64.b64decode(own) if own else str(response["body"]).encode()
        if data["stream"] and not body.lstrip().startswith((b"event:", b"data:", b":")) and self.status == 200:
            body = b"".join(b"data: " + line + b"\n\n" for line in body.splitlines() if line.strip())
        self.body = body
        self.stream = data["stream"] and self.status == 200
        self.headers = Headers((name, str(value)) for name, value in (response.get("headers") or {}).items())
        request = (data.get("request") or {}).get("body")
        self.request: Any = json.loads(request) if isinstance(request, str) and request else None

    @property
    def response(self) -> HttpResponse:
        return HttpResponse(self.status, self.headers, self.body)

    def whole(self) -> dict[str, Any]:
        """The response object; of a stream, that of its last event, with reasoning as its items were sealed when they
        ended: OpenAI seals it anew for the last event."""
        if not self.stream:
            return json.loads(self.body)
        events = self.events()
        response = next(event["response"] for event in reversed(events) if "response" in event)
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        ended = {item["id"]: item for item in done if "id" in item}
        output = [ended.get(item.get("id"), item) for item in response["output"]]
        return {**response, "output": output}

    def events(self) -> list[dict[str, Any]]:
        """Those of a stream."""
        lines = [line[5:].strip() for line in self.body.splitlines() if line.startswith(b"data:")]
        return [json.loads(line) for line in lines if line.startswith(b"{")]


@cache
def recordings() -> list[Recording]:
    """Every recorded exchange of kind ``responses``; skips where they are not."""
    folder = SHARED / "recordings"
    if not folder.is_dir():
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    found: list[Recording] = []
    for vendor in VENDORS:
        lines = (folder / f"{vendor}.jsonl").read_text(encoding="utf-8").splitlines()
        found += [Recording(one) for line in lines if (one := json.loads(line))["kind"] == "responses"]
    return found
