"""Web search and reading pages, at five vendors."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core import FailureKind, Operation, ProviderError
from modelmesh_retrieval import provider_connectors

SEARCH = Operation.SEARCH
TAVILY, SERPER, FIRECRAWL = "tavily.search.v1", "serper.search.v1", "firecrawl.search.v1"
GOOGLE, JINA = "google.search.v1", "jina.search.v1"
SEARCHERS = [TAVILY, SERPER, FIRECRAWL, GOOGLE, JINA]
EVERYTHING = {
    "query": "q", "max_results": 3, "include_domains": ["a.org", "b.org"], "exclude_domains": ["c.org"],
    "country": "DE", "time_range": "week",
}  # fmt: skip
SITES = "q (site:a.org OR site:b.org) -site:c.org"


def test_recorded_searches_of_tavily(ask, answer, recordings):
    found = recordings("tavily")
    assert len(found) == 5
    for recording in found:
        own, said = recording["request"]["body"], recording["response"]["body"]
        given = {key: value for key, value in own.items() if key not in ("api_key", "search_depth")}
        asked = ask(TAVILY, SEARCH, answer(said), model=own["search_depth"], **given)
        assert asked.requests[0].url == recording["request"]["url"]
        assert asked.sent == {key: value for key, value in own.items() if value != [] and key != "api_key"}
        results = asked.reply.body["results"]
        assert [(r["title"], r["url"], r["snippet"], r["score"]) for r in results] == [
            (r["title"], r["url"], r["content"], r["score"]) for r in said["results"]
        ]
        assert asked.reply.body["response_time"] == said["response_time"]
        assert asked.call.dropped == []


def test_tavily(ask, answer):
    asked = ask(TAVILY, SEARCH, model="advanced", include_answer=True, foo=1, **EVERYTHING)
    assert asked.sent == {**EVERYTHING, "search_depth": "advanced", "include_answer": True, "country": "germany"}
    assert asked.requests[0].headers["authorization"] == "Bearer key-secret"
    assert asked.call.dropped == ["foo"]
    assert ask(TAVILY, SEARCH, query="q", country="xx", time_range="2d").call.dropped == ["time_range", "country"]
    said = {"results": [{"url": "https://a", "raw_content": "# A", "images": []}], "failed_results": []}
    asked = ask(TAVILY, SEARCH, answer(said), url="https://a", format="markdown")
    assert asked.requests[0].url == "https://api.tavily.com/extract"
    assert asked.sent == {"urls": ["https://a"], "format": "markdown"}
    assert asked.reply.body["results"] == [{"title": "", "url": "https://a", "content": "# A", "images": []}]
    said = {
        "answer": "yes",
        "results": [{"title": "A", "url": "u", "content": "c", "raw_content": "r", "published_date": "d"}],
    }
    reply = ask(TAVILY, SEARCH, answer(said), query="q").reply
    row = {"title": "A", "url": "u", "snippet": "c", "content": "r", "published_at": "d"}
    assert reply.body == {"answer": "yes", "results": [row]}


def test_serper(ask, answer):
    asked = ask(SERPER, SEARCH, model="search", hl="de", **EVERYTHING)
    assert asked.requests[0].url == "https://google.serper.dev/search"
    assert asked.requests[0].headers["x-api-key"] == "key-secret"
    assert asked.sent == {"q": SITES, "num": 3, "gl": "de", "tbs": "qdr:w", "hl": "de"}
    row = {"title": "A", "link": "https://a", "snippet": "s", "date": "1 day ago", "position": 1}
    box = {"answer": "42"}
    said = {"searchParameters": {"q": "q"}, "answerBox": box, "organic": [row], "credits": 1}
    body = ask(SERPER, SEARCH, answer(said), query="q").reply.body
    assert body["results"] == [
        {"title": "A", "url": "https://a", "snippet": "s", "published_at": "1 day ago", "position": 1}
    ]
    assert (body["answer"], body["answerBox"], body["credits"]) == ("42", box, 1)
    news = ask(SERPER, SEARCH, answer({"searchParameters": {}, "news": [row]}), model="news", query="q")
    assert news.requests[0].url.endswith("/news") and len(news.reply.body["results"]) == 1
    assert ask(SERPER, SEARCH, answer({"searchParameters": {}}), query="q").reply.body["results"] == []
    page = {"text": "A", "markdown": "# A", "metadata": {"title": "T"}, "credits": 2}
    asked = ask(SERPER, SEARCH, answer(page), url="https://a")
    assert (asked.requests[0].url, asked.sent) == (
        "https://scrape.serper.dev", {"url": "https://a", "includeMarkdown": True},
    )  # fmt: skip
    assert asked.reply.body["results"] == [{"title": "T", "url": "https://a", "content": "# A"}]


def test_firecrawl(ask, answer):
    asked = ask(FIRECRAWL, SEARCH, scrapeOptions={"formats": ["markdown"]}, **EVERYTHING)
    assert asked.requests[0].url == "https://api.firecrawl.dev/v2/search"
    assert asked.sent == {
        "query": "q -site:c.org", "includeDomains": ["a.org", "b.org"], "limit": 3, "country": "DE", "tbs": "qdr:w",
        "scrapeOptions": {"formats": ["markdown"]},
    }  # fmt: skip
    assert ask(FIRECRAWL, SEARCH, query="q", exclude_domains=["c"]).sent == {"query": "q", "excludeDomains": ["c"]}
    web = {"title": "A", "url": "https://a", "description": "d", "markdown": "# A", "position": 1}
    news = {"title": "N", "url": "https://n", "snippet": "s", "date": "today"}
    said = {"success": True, "data": {"web": [web], "news": [news]}, "creditsUsed": 2}
    body = ask(FIRECRAWL, SEARCH, answer(said), query="q").reply.body
    assert body["results"] == [
        {"title": "A", "url": "https://a", "snippet": "d", "content": "# A", "position": 1},
        {"title": "N", "url": "https://n", "snippet": "s", "published_at": "today"},
    ]
    assert body["creditsUsed"] == 2
    page = {"markdown": "# A", "metadata": {"title": ["T", "U"], "sourceURL": "https://a/", "statusCode": 200}}
    asked = ask(FIRECRAWL, SEARCH, answer({"success": True, "data": page}), url="https://a")
    assert asked.sent == {"url": "https://a", "formats": ["markdown"]}
    assert asked.reply.body["results"] == [
        {"title": "T", "url": "https://a/", "content": "# A", "metadata": page["metadata"]}
    ]


def test_google_fetches_as_many_pages_as_are_wanted(ask, answer):
    def page(count):
        return answer({"items": [{"title": "A", "link": "https://a", "snippet": "s"}] * count, "searchInformation": {}})

    asked = ask(GOOGLE, SEARCH, page(10), page(10), page(5), **{**EVERYTHING, "max_results": 25}, lr="lang_de")
    queries = [parse_qs(urlsplit(request.url).query) for request in asked.requests]
    assert [(query["start"], query["num"]) for query in queries] == [(["1"], ["10"]), (["11"], ["10"]), (["21"], ["5"])]
    rest = {key: value for key, value in queries[0].items() if key not in ("start", "num")}
    assert rest == {"cx": ["engine"], "q": [SITES], "gl": ["de"], "dateRestrict": ["w1"], "lr": ["lang_de"]}
    assert asked.requests[0].headers["x-goog-api-key"] == "key-secret" and "key-secret" not in asked.requests[0].url
    assert len(asked.reply.body["results"]) == 25
    assert len(ask(GOOGLE, SEARCH, page(10), page(2), query="q", max_results=20).reply.body["results"]) == 12
    assert (
        ask(GOOGLE, SEARCH, answer({"searchInformation": {"totalResults": "0"}}), query="q").reply.body["results"] == []
    )
    dated = {"title": "A", "link": "u", "pagemap": {"metatags": [{"article:published_time": "2026"}]}}
    assert ask(GOOGLE, SEARCH, answer({"items": [dated]}), query="q").reply.body["results"][0]["published_at"] == "2026"
    with pytest.raises(ProviderError, match="does not read pages"):
        ask(GOOGLE, SEARCH, url="https://a")


def test_jina(ask, answer):
    asked = ask(JINA, SEARCH, hl="de", **EVERYTHING)
    assert asked.requests[0].url == "https://s.jina.ai/"
    assert asked.requests[0].headers["accept"] == "application/json"
    assert asked.sent == {"q": SITES, "num": 3, "gl": "DE", "hl": "de"}
    assert asked.call.dropped == ["time_range"]
    row = {
        "title": "A",
        "url": "https://a",
        "description": "d",
        "date": "May 1",
        "content": "# A",
        "usage": {"tokens": 9},
    }
    said = {"code": 200, "status": 20000, "data": [row], "meta": {"usage": {"tokens": 10000}}}
    reply = ask(JINA, SEARCH, answer(said), query="q").reply
    assert reply.body["results"] == [
        {
            "title": "A",
            "url": "https://a",
            "snippet": "d",
            "content": "# A",
            "published_at": "May 1",
            "usage": {"tokens": 9},
        }
    ]
    assert reply.usage.input == 10000
    asked = ask(JINA, SEARCH, answer({"code": 200, "data": row}), url="https://a")
    assert (asked.requests[0].url, asked.sent) == ("https://r.jina.ai/", {"url": "https://a"})
    assert asked.reply.body["results"][0]["content"] == "# A" and asked.reply.usage.input == 9


# From the vendors' pages on errors, and bodies that users have published: not recordings.
@pytest.mark.parametrize(
    ("vendor", "status", "body", "kind", "message"),
    [
        (TAVILY, 401, {"detail": {"error": "Unauthorized: missing or invalid API key."}}, "authentication", "Unauthor"),
        (TAVILY, 429, {"detail": {"error": "Your request has been blocked due to excessive requests."}}, "rate-limit",
         "Your request"),
        (TAVILY, 432, {"detail": {"error": "This request exceeds your plan's set usage limit."}}, "quota", "This"),
        (TAVILY, 433, {"detail": {"error": "This request exceeds the pay-as-you-go limit."}}, "quota", "This"),
        (TAVILY, 400, {"detail": {"error": "Query is too long. Max query length is 400 characters."}},
         "invalid-request", "Query"),
        (SERPER, 403, {"message": "Unauthorized.", "statusCode": 403}, "authentication", "Unauthorized."),
        (SERPER, 400, {"message": "Not enough credits", "statusCode": 400}, "quota", "Not enough"),
        (FIRECRAWL, 401, {"success": False, "error": "Unauthorized: Invalid token"}, "authentication", "Unauthorized"),
        (FIRECRAWL, 402, {"success": False, "error": "Insufficient credits to perform this"}, "quota", "Insuf"),
        (FIRECRAWL, 408, {"success": False, "error": "Request timed out"}, "server", "Request timed"),
        (FIRECRAWL, 429, {"success": False, "error": "Rate limit exceeded. Retry after 9s"}, "rate-limit", "Rate"),
        (JINA, 401, {"data": None, "code": 401, "name": "AuthenticationRequiredError", "status": 40103,
                     "message": "m", "readableMessage": "Authentication: no key"}, "authentication", "Auth"),
        (JINA, 402, {"code": 402, "name": "InsufficientError", "message": "Insufficient balance"}, "quota", "Ins"),
        (JINA, 429, {"code": 429, "name": "RateLimitTriggeredError", "message": "Too fast"}, "rate-limit", "Too fast"),
        (GOOGLE, 400, {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
                       "details": [{"reason": "API_KEY_INVALID"}]}}, "authentication", "API key"),
        (GOOGLE, 429, {"error": {"code": 429, "message": "Quota exceeded for quota metric 'Queries' and limit 'Queries"
                       " per day' of service", "errors": [{"reason": "rateLimitExceeded"}]}}, "quota", "Quota"),
        (GOOGLE, 403, {"error": {"code": 403, "message": "slow", "errors": [{"reason": "userRateLimitExceeded"}]}},
         "rate-limit", "slow"),
    ],
)  # fmt: skip
def test_documented_errors(ask, answer, vendor, status, body, kind, message):
    with pytest.raises(ProviderError) as caught:
        ask(vendor, SEARCH, answer(body, status), query="q")
    failure = caught.value.failure
    assert failure.kind == kind
    assert failure.message.startswith(message)
    assert (failure.status, failure.body) == (status, body)


def test_errors_that_come_with_a_success(ask, answer):
    failures = []
    for vendor, body, asked in (
        (FIRECRAWL, {"success": False, "error": "no"}, {"query": "q"}),
        (JINA, {"code": 422, "message": "no"}, {"query": "q"}),
        (TAVILY, {"results": [], "failed_results": [{"error": "no"}]}, {"url": "https://a"}),
        (SERPER, {"message": "no"}, {"url": "https://a"}),
        (FIRECRAWL, {"success": True, "data": {"metadata": {"error": "no"}}}, {"url": "https://a"}),
        (JINA, {"code": 200, "data": {"content": "", "warning": "no"}}, {"url": "https://a"}),
    ):
        with pytest.raises(ProviderError, match="no") as caught:
            ask(vendor, SEARCH, answer(body), **asked)
        failures.append(caught.value.failure.kind)
    assert failures[2:] == [FailureKind.SERVER] * 4


@pytest.mark.parametrize("vendor", SEARCHERS)
def test_answers_that_are_none(ask, answer, vendor):
    for body in (b"", b"[1]", b"<html>", b'{"hello": 1}', b'{"results": 3, "data": 3, "items": 3, "organic": 3}'):
        if vendor == GOOGLE and body.startswith(b'{"hello'):
            continue  # nothing found looks like that
        with pytest.raises(ProviderError) as caught:
            ask(vendor, SEARCH, answer(body), query="q")
        assert caught.value.failure.kind is FailureKind.UNDECODABLE
    with pytest.raises(ProviderError) as caught:
        ask(vendor, SEARCH, answer({"error": "the key is key-secret"}, 401), query="q")
    assert "key-secret" not in repr(caught.value.failure)
    for asked in ({}, {"query": " "}, {"url": "file:///etc/passwd"}):
        with pytest.raises(ProviderError) as caught:
            ask(vendor, SEARCH, **asked)
        assert caught.value.status_code == 400


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["results", "data", "items", "organic", "web", "title", "link", "url", "metadata", "content",
                         "usage", "meta", "tokens", "error", "detail", "message", "code", "pagemap", "metatags",
                         "markdown", "success", "answerBox", "raw_content", "embedding", "index", "score"]),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()), st.sampled_from([200, 400, 403]))
def test_any_answer(ask, answer, body, status):
    calls = [(vendor, SEARCH, {"query": "q"}) for vendor in SEARCHERS]
    calls += [(vendor, SEARCH, {"url": "https://a"}) for vendor in SEARCHERS if vendor != GOOGLE]
    for vendor in ("voyage.embeddings.v1", JINA):
        calls += [(vendor, Operation.EMBEDDINGS, {"input": "a"})]
        calls += [(vendor, Operation.RERANK, {"query": "q", "documents": ["a"]})]
    for vendor, operation, asked in calls:
        try:
            ask(vendor, operation, answer(body, status), **asked)
        except ProviderError:
            continue


@given(st.dictionaries(st.sampled_from(sorted(EVERYTHING)), values), st.booleans())
def test_any_request(ask, body, is_query):
    body = {**body, **({"query": "q"} if is_query else {"url": "https://a"})}
    for vendor in SEARCHERS:
        try:
            ask(vendor, SEARCH, **body)
        except ProviderError:
            continue


def test_settings(make_provider):
    for vendor in (TAVILY, SERPER, FIRECRAWL, GOOGLE):
        with pytest.raises(ValueError, match="base_url"):
            make_provider(vendor, base_url="nowhere")
    with pytest.raises(ValueError, match="read_url"):
        make_provider(JINA, read_url="nowhere")
    with pytest.raises(ValueError, match="cx is missing"):
        make_provider(GOOGLE, cx="")


def test_the_catalogues_are_sound():
    connectors = list(provider_connectors())
    assert len(connectors) == 6
    for connector in connectors:
        assert connector.models() and all(model.source and model.as_of for model in connector.models())
