"""A vendor on loopback that reads its own dialect and answers what clients' tests ask: text, a call, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hostile import ByteServer
from vendors import Json, Vendor

PIECES = ("It is ", "sunny ☀ ", "in Ulm.")
ANSWER = "".join(PIECES)
ARGUMENTS = {"city": "Ulm"}
CITY = {"name": "Ulm", "people": 126000}
RESULT = "sunny, 22 degrees"
"""What a client's tool says: its coming back means that the call went all the way."""


class ScriptedVendor(ByteServer):
    """Says ANSWER. Asked with tools, and no RESULT yet, it calls the first; asked for people in JSON, it says CITY.

    A tool that wants people gets CITY as its arguments, any other ARGUMENTS.
    """

    def __init__(self, vendor: Vendor) -> None:
        super().__init__()
        self.vendor = vendor

    @property
    def asked(self) -> list[Json]:
        """The bodies that came."""
        return [json.loads(body) for _, body in self.requests]

    def respond(self, path: str, body: bytes) -> tuple[str, Iterable[bytes]]:
        asked: Json = json.loads(body)
        stream = asked.get("stream") is True or path.partition("?")[0].endswith((":streamGenerateContent", "-stream"))
        tools = [] if RESULT in body.decode() else list(_tools(asked))
        texts = (json.dumps(CITY),) if "people" in body.decode() and not tools else PIECES
        if stream:
            events = self._call(tools, self.vendor.calling) if tools else self.vendor.saying(*texts)
            return self.vendor.stream_type, [self.vendor.frame([event]) for event in events]
        whole = self._call(tools, self.vendor.called) if tools else self.vendor.said("".join(texts))
        return "application/json", [json.dumps(whole).encode()]

    def _call(self, tools: list[Json], make: Any) -> Any:
        tool = tools[0]
        return make(json.dumps(CITY if "people" in json.dumps(tool) else ARGUMENTS), tool["name"])


def _tools(asked: Json) -> Iterable[Json]:
    """The functions that a request offers, in whatever dialect."""
    for tool in asked.get("tools") or asked.get("toolConfig", {}).get("tools") or []:
        yield from tool.get("functionDeclarations") or [tool.get("function") or tool.get("toolSpec") or tool]
