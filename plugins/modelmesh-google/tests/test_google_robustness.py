"""Whatever bytes a server sends, the answer is events, a reply, or a ProviderError."""

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelmesh_core import (
    Headers,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    Reply,
    Secret,
    StreamEvent,
    fold_chunks,
)
from modelmesh_google.errors import failure_of_response
from modelmesh_google.provider import GeminiProvider
from modelmesh_google.replies import GoogleStreamDecoder
from modelmesh_google.schema import compile_schema, json_schema

PROVIDER = GeminiProvider(ProviderSettings("google", api_key=Secret("k"), base_url="https://g.example/v1beta"))
OPERATIONS = [Operation.CHAT, Operation.EMBEDDINGS, Operation.IMAGES, Operation.SPEECH]
OF_ANSWERS = """
candidates content parts text thought thoughtSignature functionCall name args id partialArgs jsonPath
stringValue willContinue inlineData mimeType data finishReason finishMessage index promptFeedback blockReason
groundingMetadata groundingChunks groundingSupports segment startIndex endIndex partIndex
groundingChunkIndices web uri citationMetadata logprobsResult chosenCandidates topCandidates token
logProbability usageMetadata promptTokenCount totalTokenCount candidatesTokensDetails modality tokenCount
error code message status details retryDelay violations quotaId responseId modelVersion createTime predictions
embeddings values bytesBase64Encoded embedding statistics
"""
WORDS = OF_ANSWERS.split()
OF_SCHEMAS = """
type properties items anyOf oneOf allOf $ref $defs enum const required additionalProperties nullable format
prefixItems minimum exclusiveMinimum description default
"""
SCHEMA_WORDS = OF_SCHEMAS.split()
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=6)
)
likely = st.sampled_from(
    ["STOP", "SAFETY", "MALFORMED_FUNCTION_CALL", "audio/L16", "image/png", "AAAA", "$.a[1].b", "#", "object"]
)


def json_of(words):
    return st.recursive(
        scalars | likely,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(words), inner, max_size=5),
        max_leaves=25,
    )


def answers(inner):
    """JSON that looks more like an answer the further one reads."""
    part = st.dictionaries(
        st.sampled_from(["text", "thought", "thoughtSignature", "functionCall", "inlineData"]), inner, max_size=3
    )
    content = st.fixed_dictionaries({"parts": st.lists(part | inner, max_size=3) | inner})
    one = st.fixed_dictionaries(
        {}, optional={"content": content | inner, "finishReason": likely | inner, "index": inner}
    )
    extra = {"usageMetadata": inner, "promptFeedback": inner, "responseId": inner, "groundingMetadata": inner}
    return st.fixed_dictionaries({"candidates": st.lists(one, max_size=2) | inner}, optional=extra)


anything = json_of(WORDS)


def replay(operation, response, body=None):
    call = ProviderCall(
        operation, "gemini-x", body or {"messages": [{"role": "user", "content": "x"}], "input": "x", "prompt": "x"}
    )
    flow = PROVIDER.execute(call)
    next(flow)
    try:
        while True:
            flow.send(response)
    except StopIteration as stop:
        return stop.value


@given(anything | answers(anything), st.sampled_from(OPERATIONS), st.sampled_from([200, 400, 429, 500]))
def test_any_json_is_a_reply_or_a_provider_error(payload, operation, status):
    response = HttpResponse(status, Headers(), orjson.dumps(payload))
    try:
        assert isinstance(replay(operation, response), Reply)
    except ProviderError as error:
        assert error.failure.message
    assert failure_of_response(response).message


@given(st.lists(anything | answers(anything), max_size=4))
def test_any_stream_gives_events_that_fold(payloads):
    decoder = GoogleStreamDecoder(HttpResponse(200), "m")
    data = b"".join(b"data: " + orjson.dumps(payload) + b"\n\n" for payload in payloads)
    events = [*decoder.feed(data), *decoder.finish()]
    assert all(isinstance(event, StreamEvent) for event in events)
    fold_chunks(event.chunk for event in events if event.chunk)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes(data, is_json):
    head = Headers([("content-type", "application/json")] if is_json else [])
    decoder = GoogleStreamDecoder(HttpResponse(200, head), "m")
    assert all(isinstance(event, StreamEvent) for event in [*decoder.feed(data), *decoder.finish()])
    for operation in OPERATIONS:
        try:
            replay(operation, HttpResponse(200, head, data))
        except ProviderError as error:
            assert error.failure.message


@pytest.mark.parametrize("key", ["codeExecutionResult", "functionCall", "inlineData", "text"])
@pytest.mark.parametrize("depth", [300, 600, 1000])
def test_json_that_nests_deeply(key, depth):
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    part = b'{"%s": {"name": "f", "args": %s}}' % (key.encode(), deep)
    grounding = b'{"groundingChunks": [{"retrievedContext": %s}]}' % deep
    body = b'{"candidates": [{"content": {"parts": [%s]}, "groundingMetadata": %s}]}' % (part, grounding)
    for operation in OPERATIONS:
        try:
            replay(operation, HttpResponse(200, Headers(), body))
        except ProviderError as error:
            assert error.failure.message
    decoder = GoogleStreamDecoder(HttpResponse(200), "m")
    assert all(isinstance(e, StreamEvent) for e in [*decoder.feed(b"data: " + body * 2 + b"\n\n"), *decoder.finish()])
    decoder = GoogleStreamDecoder(HttpResponse(200), "m")
    assert all(isinstance(e, StreamEvent) for e in [*decoder.feed(b"data: " + body + b"\n\n"), *decoder.finish()])


def test_damaged_recordings(chats):
    chance = random.Random(5)
    for one in chats:
        for _ in range(3):
            body = bytearray(one.body[:60_000])
            for _ in range(chance.randint(1, 8)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            del body[chance.randrange(len(body)) :]
            if one.stream:
                decoder = GoogleStreamDecoder(HttpResponse(200, one.headers), "m")
                assert all(isinstance(e, StreamEvent) for e in [*decoder.feed(bytes(body)), *decoder.finish()])
                continue
            try:
                assert isinstance(replay(Operation.CHAT, HttpResponse(one.status, one.headers, bytes(body))), Reply)
            except ProviderError as error:
                assert error.failure.message


@given(json_of(SCHEMA_WORDS))
def test_any_schema_gets_a_type_everywhere(schema):
    def check(node):
        assert node["type"].isupper() if "type" in node else node["anyOf"]
        for child in [
            *node.get("properties", {}).values(),
            *node.get("anyOf", []),
            *([node["items"]] if "items" in node else []),
        ]:
            check(child)

    check(compile_schema(schema).schema)
    json_schema(schema)


OF_REQUESTS = """
role content type text image_url url file file_data tool_calls id function name arguments tool_call_id
reasoning_details format data at length extra_content google thought_signature messages tools tool_choice stop
n audio response_format json_schema schema thinking budget_tokens modalities user assistant tool input prompt
size
"""
REQUEST_WORDS = OF_REQUESTS.split()


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(REQUEST_WORDS), json_of(REQUEST_WORDS), max_size=6), st.sampled_from(OPERATIONS))
def test_any_request_is_sent_or_refused(body, operation):
    call = ProviderCall(
        operation, "gemini-3-flash", {"model": "x", "messages": [{"role": "user", "content": "x"}], **body}
    )
    try:
        assert next(PROVIDER.execute(call)).body
    except ProviderError as error:
        assert error.failure.status == 400
