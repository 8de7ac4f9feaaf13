"""Unstructured, after its API reference: nothing of it was recorded."""

import pytest
from modelmesh_core import FailureKind, InvalidRequestError, Operation, ProviderError

PARSE = Operation.DOCUMENT_PARSING
ELEMENTS = [
    {"type": "Header", "element_id": "0", "text": "ACME", "metadata": {"page_number": 1}},
    {"type": "Title", "element_id": "1", "text": "Annual\nreport",
     "metadata": {"page_number": 1, "category_depth": 1}},
    {"type": "NarrativeText", "element_id": "2", "text": "It went well.", "metadata": {"page_number": 1}},
    {"type": "ListItem", "element_id": "3", "text": "one", "metadata": {"page_number": 2}},
    {"type": "Table", "element_id": "4", "text": "1 2",
     "metadata": {"page_number": 2, "text_as_html": "<table/>", "image_base64": "aW1n",
                  "image_mime_type": "image/png"}},
    {"type": "NarrativeText", "element_id": "5", "text": "No page is named here.", "metadata": {}},
]  # fmt: skip


@pytest.fixture
def provider(make):
    return make("unstructured.doc-parse.v1")


def test_a_document(provider, ask, play, answer):
    call = ask(PARSE, "hi_res", file=b"%PDF", filename="r.pdf", media_type="application/pdf", languages=["eng", "deu"],
               coordinates=True, colour="x")  # fmt: skip
    (request,), reply = play(provider.execute(call), answer(ELEMENTS))
    assert request.url == "https://api.unstructuredapp.io/general/v0/general"
    assert request.headers["unstructured-api-key"].startswith("key-") and call.dropped == ["colour"]
    sent = request.body.decode()
    for piece in ('"strategy"\r\n\r\nhi_res\r\n', '"languages"\r\n\r\neng\r\n', '"languages"\r\n\r\ndeu\r\n',
                  '"coordinates"\r\n\r\ntrue',
                  'name="files"; filename="r.pdf"\r\ncontent-type: application/pdf\r\n\r\n%PDF',
                  '"output_format"\r\n\r\napplication/json'):  # fmt: skip
        assert piece in sent
    assert reply.body["elements"] == ELEMENTS
    assert reply.body["pages"] == [
        {"index": 0, "markdown": "## Annual report\n\nIt went well.", "images": []},
        {"index": 1, "markdown": "- one\n\n<table/>\n\nNo page is named here.",
         "images": [{"id": "4", "image_base64": "data:image/png;base64,aW1n"}]},
    ]  # fmt: skip
    assert reply.body["text"] == "\n\n".join(page["markdown"] for page in reply.body["pages"])


def test_plain_text_and_nothing_at_all(provider, ask, play, answer):
    call = ask(PARSE, file=b"x", output_format="text")
    _, reply = play(provider.execute(call), answer(ELEMENTS[1:3]))
    assert reply.body["text"] == "Annual\nreport\n\nIt went well."
    _, reply = play(provider.execute(ask(PARSE, file=b"x", output_format="docx")), answer([]))
    assert reply.body == {"text": "", "pages": [], "elements": []}


@pytest.mark.parametrize("body", [{}, {"url": "https://a/x.pdf"}, {"file": "x.pdf"}, {"file": b""}])
def test_what_is_no_file(provider, ask, body):
    with pytest.raises(InvalidRequestError):
        next(provider.execute(ask(PARSE, **body)))


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (400, "File type x is not supported.", FailureKind.INVALID_REQUEST),
        (401, "API key is missing, please provide an API key", FailureKind.AUTHENTICATION),
        (402, "Payment required", FailureKind.AUTHENTICATION),
        (413, "File too large", FailureKind.CONTEXT_LENGTH),
        (422, [{"loc": ["body", "files"], "msg": "field required", "type": "missing"}], FailureKind.INVALID_REQUEST),
        (429, "Too many requests", FailureKind.RATE_LIMIT),
        (503, "Server is under heavy load", FailureKind.SERVER),
    ],
)
def test_errors(provider, ask, play, answer, status, detail, kind):
    with pytest.raises(ProviderError, match=detail if isinstance(detail, str) else "files: field required") as caught:
        play(provider.execute(ask(PARSE, file=b"x")), answer({"detail": detail}, status))
    assert caught.value.failure.kind is kind


def test_its_health(provider, play, answer):
    play(provider.check_health(), answer({"detail": "no file"}, 422))
    with pytest.raises(ProviderError):
        play(provider.check_health(), answer({"detail": "no key"}, 401))
