"""``modelmesh chat``: one question, answered as it comes."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from .exits import Exit, UsageError
from .meshes import open_mesh
from .parser import Commands, whole_number
from .words import count, duration, money

if TYPE_CHECKING:
    from ..client import ChatCompletion, OpenAIClient
    from ..interfaces.records import DecisionRecord
    from .output import Output

DEFAULT_MODEL = "chat-completion"

_EXAMPLES = """\
  modelmesh chat "Name the capital of France."
  modelmesh chat --model openai.gpt-4.1 --system "Answer in Latin." "Good morning!"
  git diff | modelmesh chat --system "Write a commit message for this diff." -
"""


def declare(commands: Commands) -> None:
    parser = commands.add(
        "chat",
        run,
        "ask a question, and print the answer as it comes",
        details="With --json, prints one object when the answer is whole: text, model, provider, pool, usage, cost,\n"
        "attempts, request_id, finish_reason.",
        examples=_EXAMPLES,
    )
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="the question; - (or nothing, in a pipe): stdin")
    parser.add_argument(
        "--model",
        metavar="NAME",
        default=DEFAULT_MODEL,
        help="a capability, a pool or a model; default: %(default)s",
    )
    parser.add_argument("--system", metavar="TEXT", help="instructions for the model")
    parser.add_argument("--max-tokens", metavar="N", type=whole_number(1), help="the answer's greatest length")
    parser.add_argument("--temperature", metavar="T", type=float, help="randomness, 0 to 2")
    parser.add_argument("--no-stream", action="store_true", help="print the answer once it is whole")


def run(arguments: Namespace, output: Output) -> int:
    body = _body(arguments)
    with open_mesh(arguments) as mesh:
        client = mesh.get_client()
        if arguments.json:
            output.json(_described(client.chat.completions.create(**body, stream=False)))
        elif arguments.no_stream:
            answer = client.chat.completions.create(**body, stream=False)
            output.text(_text(answer))
            _summarise(answer.modelmesh, _finish_reason(answer), output)
        else:
            return _stream(client, body, output)
    return Exit.SUCCESS


def _body(arguments: Namespace) -> dict[str, Any]:
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    messages.append({"role": "user", "content": _prompt(arguments.prompt)})
    options = {"max_tokens": arguments.max_tokens, "temperature": arguments.temperature}
    given = {name: value for name, value in options.items() if value is not None}
    return {"model": arguments.model, "messages": messages, **given}


def _prompt(given: str | None) -> str:
    if given is None and sys.stdin.isatty():
        raise UsageError('chat needs a PROMPT, such as: modelmesh chat "Name the capital of France."')
    prompt = sys.stdin.read() if given is None or given == "-" else given
    if not prompt.strip():
        raise UsageError("the PROMPT is empty.")
    return prompt


def _stream(client: OpenAIClient, body: dict[str, Any], output: Output) -> int:
    from ..errors import ModelMeshError

    length, reason, ends_line = 0, None, True
    with client.chat.completions.create(**body, stream=True) as stream:
        try:
            for chunk in stream:
                for choice in chunk.choices or ():
                    text = choice.delta.content or choice.delta.refusal or ""
                    if text:
                        output.write(text)
                        length, ends_line = length + len(text), text.endswith("\n")
                    reason = choice.finish_reason or reason
        except ModelMeshError as error:
            if not ends_line:
                output.text()
            output.error(f"the answer broke off after {count(length, 'character')}, and is not whole: {error}")
            return Exit.FAILED
        if not ends_line or not length:
            output.text()
        _summarise(stream.modelmesh, reason, output)
    return Exit.SUCCESS


def _text(answer: ChatCompletion) -> str:
    message = answer.choices[0].message if answer.choices else None
    return (message.content or message.refusal or "") if message is not None else ""


def _finish_reason(answer: ChatCompletion) -> str | None:
    return answer.choices[0].finish_reason if answer.choices else None


def _described(answer: ChatCompletion) -> dict[str, Any]:
    record = answer.modelmesh
    return {
        "text": _text(answer),
        "model": record.model,
        "provider": record.provider,
        "pool": record.pool,
        "usage": answer.usage.to_dict() if answer.usage is not None else None,
        "cost": None if record.cost is None else str(record.cost),
        "attempts": [attempt.to_dict() for attempt in record.attempts],
        "request_id": record.request_id,
        "finish_reason": _finish_reason(answer),
    }


def _summarise(record: DecisionRecord, reason: str | None, output: Output) -> None:
    """One line beside the answer: who gave it, what it took."""
    if reason == "length":
        output.warning("the answer was cut at its token limit; --max-tokens sets it.")
    parts = [record.model or ""]
    usage = record.answered_by.usage if record.answered_by is not None else None
    if usage is not None:
        about = "about " if usage.estimated else ""
        parts.append(f"{about}{usage.total_input} tokens in, {usage.total_output} out")
    parts.append(money(record.cost))
    if record.ended is not None:
        parts.append(duration(record.ended - record.started))
    if len(record.attempts) > 1:
        parts.append(count(len(record.attempts), "attempt"))
    output.note(" · ".join(parts))
