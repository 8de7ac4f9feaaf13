"""A receiver of OTLP over HTTP on the loopback interface: decodes what comes as protobuf, and keeps it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes as a dict."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


class OtlpReceiver:
    """``answer`` gives the status for each export (200), and may wait; ``headers`` are those of the last one."""

    def __init__(self, answer: Callable[[str], int] = lambda path: 200) -> None:
        self.answer = answer
        self.exports: list[tuple[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.tries = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.tries += 1
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.headers = {name.lower(): value for name, value in self.headers.items()}
                assert receiver.headers["content-type"] == "application/x-protobuf"
                if receiver.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                request = REQUESTS[self.path]()
                request.ParseFromString(body)
                status = receiver.answer(self.path)
                if status == 200:
                    receiver.exports.append((self.path, request))
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Any]:
        """Every span, in the order of arrival."""
        requests = [request for path, request in self.exports if path == "/v1/traces"]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> dict[str, Any]:
        """Name → metric, as last told."""
        requests = [request for path, request in self.exports if path == "/v1/metrics"]
        return {
            metric.name: metric
            for request in requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def wait_for(self, count: int, seconds: float = 10) -> list[Any]:
        """The spans, once there are ``count``."""
        deadline = time.monotonic() + seconds
        while len(self.spans) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.spans) >= count, f"{len(self.spans)} of {count} spans after {seconds:g} s"
        return self.spans
