"""The gateway's own description of its API: an OpenAPI 3.1 document, made from the routes that are served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..config.schema import ProxyConfig
from ..wire.messages import Operation
from .operations import OPERATIONS, OperationEndpoint
from .resources import RESOURCES
from .routes import DOCUMENT, Route

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 512,
    "description": "A pool, a capability or a model, as `GET /v1/models` lists them.",
}
_MESSAGES: Schema = {"type": "array", "items": {"type": "object"}}
_FLAG: Schema = {"type": ["boolean", "null"]}
_KINDS: Mapping[str, Schema] = {
    "model": _MODEL,
    "messages": _MESSAGES,
    "input": {"type": ["string", "array"], "minLength": 1, "minItems": 1},
    "prompt": {"type": ["string", "array"], "minLength": 1, "minItems": 1},
    "query": _TEXT,
    "documents": {"type": "array", "minItems": 1, "items": {"type": ["string", "object"]}},
    "file": {"type": "string", "format": "binary", "minLength": 1},
    "image": {"type": "string", "format": "binary", "minLength": 1},
}
_CHATS: Mapping[str, tuple[str, ...]] = {
    "/v1/chat/completions": ("model", "messages"),
    "/v1/messages": ("model", "messages"),
    "/v1/responses": ("model",),
}
_STREAMS = frozenset({*_CHATS, "/v1/completions"})
_ANSWERS = {
    "400": "The request is wrong: the message says how.",
    "401": "No valid key or token.",
    "403": "The key may not ask for that.",
    "404": "Nothing goes by that name, or nobody can do it.",
    "405": "The endpoint does not take that method.",
    "408": "The request did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body's encoding is not supported.",
    "422": "The provider cannot make sense of the request.",
    "429": "A limit or budget is used up, here or at every provider.",
    "431": "The headers are too large.",
    "502": "The provider's answer makes no sense.",
    "503": "Nobody can serve now.",
    "504": "Every attempt ran out of time.",
}
_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "integer", "null"]},
            },
        }
    },
}
_HEALTH = ("/health", "/health/live", "/health/ready", "/health/liveness", "/health/readiness")


def openapi_document(routes: Iterable[Route], config: ProxyConfig) -> Schema:
    """The document of ``routes``, as far as ``proxy.endpoints`` leaves them on."""
    served = [route for route in routes if not config.endpoints or route.endpoint in config.endpoints]
    paths: Schema = {_written(route): _path(route) for route in served if route.path != DOCUMENT}
    for path in _HEALTH:
        paths[path] = {"get": {**_described("Health of the process", {"200": "It serves."}), "security": []}}
        paths[path]["get"]["responses"]["503"] = {"description": "It starts, or ends.", "content": _json({})}
    document: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "ModelMesh gateway",
            "version": _version(),
            "description": "The OpenAI-compatible API of a mesh of models.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                **{name: {"type": "apiKey", "in": "header", "name": name} for name in _KEY_HEADERS},
            },
        },
    }
    if config.auth.tokens or config.auth.keys:
        document["security"] = [{name: []} for name in ("bearer", *_KEY_HEADERS)]
    return document


_KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")


def _written(route: Route) -> str:
    return route.path.replace("{*", "{")


def _path(route: Route) -> Schema:
    found: Schema = {method.lower(): _operation(method, route) for method in route.methods if method != "HEAD"}
    names = [piece.strip("{*}") for piece in route.path.split("/") if piece.startswith("{")]
    if names:
        schema = {"type": "string", "minLength": 1, "maxLength": 512}
        found["parameters"] = [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]
    return found


def _operation(method: str, route: Route) -> Schema:
    path = route.path
    described = _described(_summary(method, path), {"200": "The answer."})
    endpoint = OPERATIONS.get(path) if method == "POST" else None
    if endpoint is not None:
        described["requestBody"] = _body(endpoint)
        described["responses"]["200"]["content"] = _answer(endpoint.operation)
    elif path in _CHATS and method == "POST":
        described["requestBody"] = {"required": True, "content": _json(_object(_CHATS[path]))}
    elif method == "POST":
        described["requestBody"] = {"content": {"application/json": {}, "multipart/form-data": {}}}
    if path == "/metrics":
        described["responses"]["200"]["content"] = {"text/plain": {}, "application/openmetrics-text": {}}
    elif (method, path) in RESOURCES:
        described["responses"]["200"]["content"] = {"*/*": {}}
    if path in _STREAMS and method == "POST":
        described["responses"]["200"]["content"] = {**_json({"type": "object"}), "text/event-stream": {}}
    return described


def _described(summary: str, answers: Mapping[str, str]) -> Schema:
    responses: Schema = {
        status: {"description": text, "content": _json({"type": "object"})} for status, text in answers.items()
    }
    error = {"$ref": "#/components/schemas/Error"}
    responses.update({status: {"description": text, "content": _json(error)} for status, text in _ANSWERS.items()})
    return {"summary": summary, "responses": responses}


def _summary(method: str, path: str) -> str:
    operation = RESOURCES.get((method, path))
    if operation is not None:
        return f"What a provider keeps: {operation.value}"
    endpoint = OPERATIONS.get(path)
    if endpoint is not None:
        return endpoint.operation.value.replace("-", " ")
    return {
        "/v1/chat/completions": "A chat completion",
        "/v1/messages": "A chat completion, in Anthropic's shape",
        "/v1/responses": "A chat completion, in the shape of OpenAI's Responses API",
        "/metrics": "Metrics for Prometheus",
    }.get(path, "Pools and models")


def _body(endpoint: OperationEndpoint) -> Schema:
    schema = _object(endpoint.required)
    content = {"multipart/form-data": {"schema": schema}} if endpoint.is_form else _json(schema)
    return {"required": True, "content": content}


def _object(required: tuple[str, ...]) -> Schema:
    properties = {name: _KINDS[name] for name in dict.fromkeys(("model", *required))}
    return {"type": "object", "required": list(required), "properties": {**properties, "stream": _FLAG}}


def _answer(operation: Operation) -> Schema:
    if operation is Operation.SPEECH:
        return {"audio/*": {}, "application/octet-stream": {}, "text/event-stream": {}}
    return {**_json({"type": "object"}), "text/plain": {}, "text/event-stream": {}}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _version() -> str:
    try:
        return version("modelmesh-core")
    except PackageNotFoundError:  # run from a folder
        return "0"
