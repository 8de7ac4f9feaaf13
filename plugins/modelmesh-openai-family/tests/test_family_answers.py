"""What each vendor words in its own way, in the dialect."""

import base64
from decimal import Decimal

import orjson
import pytest
from modelmesh_core import EventKind, FailureKind, Operation, ProviderError, Usage, fold_chunks


def completion(finish_reason="stop", **message):
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi", **message}, "finish_reason": finish_reason}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def chunk(finish_reason=None, **delta):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


@pytest.fixture
def reply(provider, play, call, answer):
    return lambda identity, body: play(provider(identity).execute(call()), answer(body))[1]


@pytest.fixture
def stream(provider, play, call, answer):
    def stream(identity, *chunks):
        _, decoder = play(provider(identity).execute(call(stream=True)), answer(b"", kind="text/event-stream"))
        data = b"".join(b": COMMENT\n\ndata: " + orjson.dumps(one) + b"\n\n" for one in chunks)
        return [*decoder.feed(data), *decoder.finish()]

    return stream


@pytest.mark.parametrize(
    ("identity", "own", "reason"),
    [
        ("together.api.v1", "eos", "stop"),
        ("mistral.api.v1", "model_length", "length"),
        ("huggingface.inference.v1", "eos_token", "stop"),
        ("zai.api.v1", "sensitive", "content_filter"),
        ("zai.api.v1", "model_context_window_exceeded", "length"),
        ("fireworks.api.v1", "stop", "stop"),
    ],
)
def test_finish_reasons_are_four_words_and_the_vendors_own_beside(reply, stream, identity, own, reason):
    whole = reply(identity, completion(own))
    assert whole.finish_reason == reason
    choice = whole.body["choices"][0]
    assert choice["finish_reason"] == reason and choice.get("native_finish_reason") == (own if own != reason else None)
    assert (whole.raw is None) == (own != reason)
    (event,) = stream(identity, chunk(own))
    assert (event.kind, event.finish_reason) == (EventKind.FINISH, reason)


@pytest.mark.parametrize("identity", ["groq.api.v1", "cerebras.api.v1", "openrouter.gateway.v1", "together.api.v1"])
def test_reasoning_is_found_under_the_usual_name_and_kept_under_its_own(reply, stream, identity):
    message = reply(identity, completion(reasoning="Hm.")).body["choices"][0]["message"]
    assert message["reasoning_content"] == message["reasoning"] == "Hm."
    events = stream(identity, chunk(reasoning="H"), chunk(reasoning="m."), chunk("stop"))
    assert [event.kind for event in events] == [EventKind.CONTENT, EventKind.CONTENT, EventKind.FINISH]
    folded = fold_chunks(event.chunk for event in events)["choices"][0]["message"]
    assert folded["reasoning_content"] == folded["reasoning"] == "Hm." and events[0].raw is None


def test_mistrals_chunks_of_content_are_text_reasoning_and_sources(reply, stream):
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "closed": True},
        {"type": "text", "text": "Rain"},
        {"type": "tool_reference", "tool": "web_search", "title": "W", "url": "https://w/"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "."},
    ]
    message = reply("mistral.api.v1", completion(content=content)).body["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Rain.", "Hm.")
    assert [one["type"] for one in message["annotations"]] == ["url_citation", "citation"]
    assert message["annotations"][0]["url_citation"] == {"url": "https://w/", "title": "W"}
    events = stream("mistral.api.v1", chunk(content=content[:1]), chunk("stop", content=content[1:2]))
    assert [event.kind for event in events] == [EventKind.CONTENT, EventKind.CONTENT]
    folded = fold_chunks(event.chunk for event in events)["choices"][0]
    assert folded["message"]["content"] == "Rain" and folded["message"]["reasoning_content"] == "Hm."
    assert folded["finish_reason"] == "stop"


def test_tool_calls_without_arguments_have_empty_ones(reply):
    calls = [{"id": "1", "type": "function", "function": {"name": "now"}}]
    calls += [{"id": "2", "type": "function", "function": {"name": "at", "arguments": {"a": 1}}}]
    made = reply("openrouter.gateway.v1", completion("tool_calls", tool_calls=calls)).body["choices"][0]["message"]
    assert [call["function"]["arguments"] for call in made["tool_calls"]] == ["{}", '{"a":1}']


@pytest.mark.parametrize("identity", ["perplexity.search.v1", "xai.grok.v1"])
def test_sources_beside_an_answer_are_annotations_once(reply, stream, identity):
    beside = {
        "citations": ["https://a/", "https://b/"],
        "search_results": [{"url": "https://b/", "title": "B"}, {"url": "https://c/", "title": "C"}],
    }
    expected = [
        {"type": "url_citation", "url_citation": {"url": f"https://{name}/", "title": title}}
        for name, title in (("a", ""), ("b", "B"), ("c", "C"))
    ]
    whole = reply(identity, {**completion(), **beside}).body
    assert whole["choices"][0]["message"]["annotations"] == expected and whole["citations"] == beside["citations"]
    end = {**chunk("stop", content=""), **beside, "object": "chat.completion.done"}
    events = stream(identity, {**chunk(content="H"), **beside}, {**chunk(content="i"), **beside}, end)
    folded = fold_chunks(event.chunk for event in events)
    assert folded["choices"][0]["message"]["annotations"] == expected
    assert folded["choices"][0]["message"]["content"] == "Hi" and events[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("identity", "usage", "cost"),
    [
        ("xai.grok.v1", {"cost_in_usd_ticks": 1_176_500}, Decimal("0.00011765")),
        ("xai.grok.v1", {"cost_in_usd_ticks": 0}, None),
        ("openrouter.gateway.v1", {"cost": 0.000241, "is_byok": False}, Decimal("0.000241")),
        (
            "openrouter.gateway.v1",
            {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}},
            Decimal("0.21"),
        ),
        ("perplexity.search.v1", {"cost": {"total_cost": 0.00502}}, Decimal("0.00502")),
        ("deepseek.api.v1", {}, None),
    ],
)
def test_costs_that_vendors_report_are_dollars(reply, identity, usage, cost):
    counted = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8, **usage}
    assert reply(identity, {**completion(), "usage": counted}).usage.cost == cost


def test_usage_in_unusual_places_is_found(stream):
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    groq = {**chunk("stop"), "x_groq": {"id": "r", "usage": usage}}
    kimi = chunk("stop")
    kimi["choices"][0]["usage"] = usage
    for identity, last in (("groq.api.v1", groq), ("moonshot.api.v1", kimi)):
        events = stream(identity, chunk(content="Hi"), last)
        assert events[-1].usage == Usage(input=5, output=3) and events[-1].chunk["usage"] == usage


def test_azures_word_about_the_prompt_comes_with_the_first_chunk_that_says_something(stream):
    filtered = [{"prompt_index": 0, "content_filter_results": {}}]
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": filtered}
    late = {"id": "", "object": "", "created": 0, "model": "", "choices": [{"index": 0, "content_filter_offsets": {}}]}
    events = stream("azure.openai.v1", first, chunk(role="assistant"), chunk(content="Hi"), late, chunk("stop"))
    assert [event.kind for event in events][:2] == [EventKind.OPENING, EventKind.CONTENT] and len(events) == 4
    assert events[0].chunk["prompt_filter_results"] == filtered and events[0].raw is None
    assert all(event.chunk["id"] == "1" and event.chunk["model"] == "m" for event in events)
    assert events[1].raw is not None, "what needs no change is handed on unread"


def test_speech_of_mistral_comes_out_of_its_json(provider, play, call, answer):
    body = {"audio_data": base64.b64encode(b"ID3sound").decode()}
    asked = call(Operation.SPEECH, input="Hi", response_format="wav")
    _, reply = play(provider("mistral.api.v1").execute(asked), answer(body))
    assert (reply.content, reply.media_type, reply.usage) == (b"ID3sound", "audio/wav", Usage(characters=2))


def test_a_moderation_of_mistral_says_whether_anything_was_found(provider, play, call, answer):
    rows = [{"categories": {"sexual": False, "pii": True}}, {"categories": {"sexual": False}}]
    _, reply = play(
        provider("mistral.api.v1").execute(call(Operation.MODERATION, input="x")), answer({"results": rows})
    )
    assert [row["flagged"] for row in reply.body["results"]] == [True, False]


def test_packed_embeddings_of_perplexity_are_numbers_unless_asked_for_packed(provider, play, call, answer):
    packed = base64.b64encode(bytes([246, 0, 127, 128])).decode()
    body = {"data": [{"index": 0, "embedding": packed}], "usage": {"prompt_tokens": 2, "total_tokens": 2}}
    asked = call(Operation.EMBEDDINGS, input="x", encoding_format="float")
    (request,), reply = play(provider("perplexity.search.v1").execute(asked), answer(body))
    assert request.url == "https://api.perplexity.ai/v1/embeddings"
    assert orjson.loads(request.body) == {"model": "m", "input": "x"}
    assert reply.body["data"][0]["embedding"] == [-10, 0, 127, -128] and reply.usage == Usage(input=2)
    asked = call(Operation.EMBEDDINGS, input="x", encoding_format="base64_int8")
    assert play(provider("perplexity.search.v1").execute(asked), answer(body))[1].body == body


def test_perplexity_searches_the_web(provider, play, call, answer):
    asked = call(
        Operation.SEARCH, query="q", max_results=3, include_domains=["a"], exclude_domains=["b"], time_range="week"
    )
    body = {"id": "1", "results": [{"title": "T", "url": "https://t/", "snippet": "s", "date": "2026-01-01"}]}
    (request,), reply = play(provider("perplexity.search.v1").execute(asked), answer(body))
    assert request.url == "https://api.perplexity.ai/search"
    assert orjson.loads(request.body) == {
        "query": "q",
        "max_results": 3,
        "search_domain_filter": ["a", "-b"],
        "search_recency_filter": "week",
    }
    assert reply.body["results"] == [{**body["results"][0], "published_at": "2026-01-01"}]
    with pytest.raises(ProviderError):
        play(provider("perplexity.search.v1").execute(asked), answer({"id": "1"}))


def test_hugging_face_embeds_and_paints_at_its_own_service(provider, play, call, answer):
    embed = call(Operation.EMBEDDINGS, upstream="BAAI/bge m3", input=["a", "b"])
    (request,), reply = play(provider("huggingface.inference.v1").execute(embed), answer([[0.1, 0.2], [0.3, 0.4]]))
    root = "https://router.huggingface.co/hf-inference/models"
    assert request.url == f"{root}/BAAI/bge%20m3/pipeline/feature-extraction"
    assert [row["embedding"] for row in reply.body["data"]] == [[0.1, 0.2], [0.3, 0.4]]
    paint = call(Operation.IMAGES, upstream="a/b", prompt="cat", size="64x32", guidance_scale=2)
    (request,), reply = play(
        provider("huggingface.inference.v1").execute(paint), answer(b"\xff\xd8\xffx", kind="image/jpeg")
    )
    assert request.url == f"{root}/a/b"
    assert orjson.loads(request.body) == {
        "inputs": "cat",
        "parameters": {"guidance_scale": 2, "width": 64, "height": 32},
    }
    assert base64.b64decode(reply.body["data"][0]["b64_json"]) == b"\xff\xd8\xffx" and reply.usage.images == 1


@pytest.mark.parametrize("wrong", [[[0.1]], [0.1, 0.2], {"error": "no"}, [["a"], ["b"]]])
def test_embeddings_that_are_none_are_refused(provider, play, call, answer, wrong):
    embed = call(Operation.EMBEDDINGS, input=["a", "b"])
    with pytest.raises(ProviderError) as raised:
        play(provider("huggingface.inference.v1").execute(embed), answer(wrong))
    assert raised.value.failure.kind is FailureKind.UNDECODABLE


def test_cloudflare_unwraps_its_answers(provider, play, call, answer):
    rows = {"data": [{"index": 0, "embedding": [0.1]}]}
    embed = call(Operation.EMBEDDINGS, input="a")
    wrapped = {"result": rows, "success": True, "errors": [], "messages": []}
    assert play(provider("cloudflare.workers-ai.v1").execute(embed), answer(wrapped))[1].body == rows
    paint = call(Operation.IMAGES, upstream="@cf/x/flux", prompt="cat", steps=4)
    wrapped = {"result": {"image": "AAEC"}, "success": True}
    (request,), reply = play(provider("cloudflare.workers-ai.v1").execute(paint), answer(wrapped))
    assert request.url == "https://api.cloudflare.com/client/v4/accounts/acc0unt/ai/run/@cf/x/flux"
    assert orjson.loads(request.body) == {"prompt": "cat", "steps": 4}
    assert reply.body["data"] == [{"b64_json": "AAEC"}]


def test_a_cloudflare_provider_needs_an_account(provider):
    with pytest.raises(ValueError, match="account_id is missing"):
        provider("cloudflare.workers-ai.v1", account_id=" ")
