"""What kind of failure a recorded error is: by its status, and by the sentences that providers use."""

from __future__ import annotations

from .bodies import Answer
from .plain import Plain

_BY_STATUS = {
    400: "invalid-request",
    401: "authentication",
    402: "authentication",
    403: "authentication",
    404: "model-not-found",
    422: "invalid-request",
    429: "rate-limit",
}
_BY_TYPE = {"invalid_request_error": "invalid-request"}
_BY_TEXT = {
    b"API key not valid": "authentication",
    b"Incorrect API key": "authentication",
    b"model_not_found": "model-not-found",
    b"model identifier is invalid": "model-not-found",
    b"Model nonexistent is not supported": "model-not-found",
    b"context length": "context-length",
    b"context_length_exceeded": "context-length",
    b"number of input tokens exceeds": "context-length",
    b"all messages is too long": "context-length",
    b"input token count": "context-length",
    b"prompt is too long": "context-length",
    b"too many tokens": "context-length",
    b"too large for model": "context-length",
    b"nput is too long": "context-length",
}


def is_error(answer: Answer) -> bool:
    """Also where the recorder kept no status."""
    return answer.status >= 400 or (isinstance(answer.whole, dict) and isinstance(answer.whole.get("error"), dict))


def read(answer: Answer) -> Plain:
    body = answer.body.lower()
    said = next((kind for text, kind in _BY_TEXT.items() if text.lower() in body), None)
    if said is None and answer.status < 400:
        said = _BY_TYPE[answer.whole["error"]["type"]]
    return Plain(failure=said or _BY_STATUS.get(answer.status) or ("server" if answer.status >= 500 else "?"))
