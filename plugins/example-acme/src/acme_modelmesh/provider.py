"""``acme.echo.v1``: a provider whose wire format is its own: ``POST /say {"text"}`` answers ``{"echo", "words"}``."""

import json

import attrs
from modelmesh_core import (
    CatalogueModel,
    Failure,
    FailureKind,
    Flow,
    HttpProvider,
    HttpRequest,
    ProviderCall,
    ProviderConnector,
    ProviderSettings,
    Reply,
    Usage,
    hookimpl,
    provider_error,
)


@attrs.frozen
class Options:
    """What can be set under ``providers.<name>`` beside the common keys."""

    shout: bool = False
    """Ask for capitals."""


class Acme(HttpProvider):
    def __init__(self, settings: ProviderSettings) -> None:
        self.url = f"{settings.base_url}/say"
        self.key = settings.api_key
        self.shout = settings.options.shout

    def execute(self, call: ProviderCall) -> Flow:
        text = call.body["messages"][-1]["content"]
        question = json.dumps({"voice": call.upstream_model, "text": text.upper() if self.shout else text})
        headers = {"authorization": f"Token {self.key.reveal() if self.key else ''}"}
        response = yield HttpRequest("POST", self.url, headers, question.encode())
        if response.status != 200:
            kind = FailureKind.AUTHENTICATION if response.status == 401 else FailureKind.SERVER
            raise provider_error(Failure(kind, f"acme answered {response.status}", response.status))
        said = response.json()
        message = {"role": "assistant", "content": said["echo"]}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = {"id": "acme", "object": "chat.completion", "model": call.upstream_model, "choices": choices}
        return Reply(body, Usage(input=said["words"], output=said["words"]), finish_reason="stop")


MODELS = [CatalogueModel(f"acme.{name}", ("chat-completion",)) for name in ("parrot", "owl")]


@hookimpl
def provider_connectors():
    yield ProviderConnector(id="acme.echo.v1", create=Acme, options=Options, models=lambda: MODELS)
