"""Two providers on real sockets: the first breaks in four ways, and each single call is answered by the second."""

import json
import socket
import struct
import textwrap
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from modelmesh_core import ModelMesh


class Vendor(ThreadingHTTPServer):
    """An OpenAI-shaped server that does what ``mode`` says."""

    def __init__(self, mode):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode, self.asked, self.over = mode, 0, Event()
        Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        server.asked += 1
        self.rfile.read(int(self.headers["content-length"]))
        if server.mode == "hang":
            server.over.wait(5)
            return
        if server.mode == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        status = {"500": 500, "429": 429}.get(server.mode, 200)
        message = {"role": "assistant", "content": "from the second"}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        if status != 200:
            body = {"error": {"message": f"it answers {status}", "type": "x", "param": None, "code": None}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 429:
            self.send_header("retry-after", "60")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args): ...


@pytest.fixture
def vendors():
    first, second = Vendor("ok"), Vendor("ok")
    yield first, second
    first.stop()
    second.stop()


@pytest.mark.parametrize("engine", ["httpx", "pyreqwest", "httptools"])
@pytest.mark.parametrize(("mode", "kind", "calls"), [
    ("500", "server", 2),
    ("429", "rate-limit", 1),
    ("hang", "timeout", 1),
    ("reset", "connection", 2),
])  # fmt: skip
def test_every_call_is_answered_by_the_second(engine, mode, kind, calls, vendors, tmp_path):
    first, second = vendors
    first.mode = mode
    path = tmp_path / "mesh.yaml"
    path.write_text(
        textwrap.dedent(f"""
            http_engine: {engine}
            providers:
              first:
                connector: modelmesh.openai-compatible.v1
                base_url: http://127.0.0.1:{first.server_port}/v1
                timeout: {{first_byte: 200ms, idle: 200ms, connect: 2s}}
              second:
                connector: modelmesh.openai-compatible.v1
                base_url: http://127.0.0.1:{second.server_port}/v1
            models:
              first.m: {{provider: first}}
              second.m: {{provider: second}}
            pools:
              chat:
                capability: chat-completion
                strategy: modelmesh.priority-selection.v1
                model_priority: [first.m, second.m]
                retry: {{initial_delay: 1ms, backoff: fixed}}
        """)
    )
    with ModelMesh.from_yaml(path) as mesh:
        messages = [{"role": "user", "content": "Hi"}]
        foreseen = mesh.explain("chat").decision.model.id
        reply = mesh.get_client().chat.completions.create(model="chat", messages=messages)
        assert reply.choices[0].message.content == "from the second"
        assert foreseen == reply.modelmesh.attempts[0].model == "first.m"
        assert reply.modelmesh.attempts[0].failure.kind.value == kind
        assert (first.asked, second.asked) == (calls, 1)
        foreseen = mesh.explain("chat").decision.model.id
        again = mesh.get_client().chat.completions.create(model="chat", messages=messages)
        assert again.modelmesh.attempts[0].model == foreseen
        assert again.modelmesh.model == "second.m"
