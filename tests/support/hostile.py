"""A server on loopback, in a thread, that answers with whatever bytes it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self


class ByteServer:
    """``answer`` is the body of every response; its pieces are made as they are sent, and the connection closes after.

    ``sent`` counts the bytes that went out, ``requests`` keeps path and body of what was asked.
    """

    def __init__(self) -> None:
        self.answer: Iterable[bytes] = ()
        self.media_type = "application/json"
        self.status = "200 OK"
        self.sent = 0
        self.requests: list[tuple[str, bytes]] = []
        self.idle = threading.Event()
        """Set once an answer is over, however it ended."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._listener.close()

    def respond(self, path: str, body: bytes) -> tuple[str, Iterable[bytes]]:
        """The media type and the pieces of the answer to one request."""
        return self.media_type, self.answer

    def _accept(self) -> None:
        with suppress(OSError):  # the test is over
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, suppress(OSError):
            path = reader.readline().split(b" ")[1].decode()
            length = 0
            while line := reader.readline().strip().lower():
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.requests.append((path, reader.read(length)))
            media_type, pieces = self.respond(*self.requests[-1])
            head = f"HTTP/1.1 {self.status}\r\ncontent-type: {media_type}\r\nconnection: close\r\n\r\n"
            connection.sendall(head.encode())
            for piece in pieces:
                connection.sendall(piece)
                self.sent += len(piece)
            connection.shutdown(socket.SHUT_WR)
        self.idle.set()
