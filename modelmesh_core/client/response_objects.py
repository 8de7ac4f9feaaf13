"""What ``client.responses`` returns."""

from __future__ import annotations

from .objects import Answer, OpenAIObject


class OutputPart(OpenAIObject):
    type: str
    text: str | None
    refusal: str | None
    annotations: list[OpenAIObject] | None


class OutputItem(OpenAIObject):
    type: str
    id: str | None
    status: str | None
    role: str | None
    content: list[OutputPart] | None
    call_id: str | None
    name: str | None
    arguments: str | None
    summary: list[OpenAIObject] | None
    _parts = {"content": OutputPart}


class ResponseUsage(OpenAIObject):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: OpenAIObject | None
    output_tokens_details: OpenAIObject | None


class Response(Answer):
    """A whole answer of the Responses API."""

    id: str
    object: str
    created_at: float
    model: str
    status: str | None
    output: list[OutputItem]
    usage: ResponseUsage | None
    error: OpenAIObject | None
    incomplete_details: OpenAIObject | None
    previous_response_id: str | None
    _parts = {"output": OutputItem, "usage": ResponseUsage}

    @property
    def output_text(self) -> str:
        """All text of the answer."""
        parts = [part for item in self.output if item.type == "message" for part in item.content or ()]
        return "".join(part.text or "" for part in parts if part.type == "output_text")


class StreamedResponse(OpenAIObject):
    id: str
    status: str | None
    output: list[OutputItem]
    usage: ResponseUsage | None
    _parts = {"output": OutputItem, "usage": ResponseUsage}


class ResponseStreamEvent(OpenAIObject):
    """One event of a streamed answer; ``type`` says which, for example ``response.output_text.delta``."""

    type: str
    sequence_number: int | None
    delta: str | None
    item: OutputItem | None
    response: StreamedResponse | None
    _parts = {"item": OutputItem, "response": StreamedResponse}
