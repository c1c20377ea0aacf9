"""A collector: takes OTLP over real HTTP, and reads it with the official messages."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric


@dataclass(slots=True)
class Receiver:
    """`status` and `answer` are what it answers; with `stalls` it answers nothing."""

    port: int = 0
    status: int = 200
    answer: bytes = b""
    stalls: bool = False
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    logs: list[ExportLogsServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def figures(self) -> dict[str, Metric]:
        """Of the newest request, by name."""
        (of_resource,) = self.metrics[-1].resource_metrics
        (scoped,) = of_resource.scope_metrics
        return {one.name: one for one in scoped.metrics}

    def records(self) -> list[LogRecord]:
        return [
            record
            for request in self.logs
            for of_resource in request.resource_logs
            for scoped in of_resource.scope_logs
            for record in scoped.log_records
        ]

    def take(self, path: str, content: bytes) -> None:
        if path.endswith("/v1/metrics"):
            self.metrics.append(ExportMetricsServiceRequest.FromString(content))
        else:
            self.logs.append(ExportLogsServiceRequest.FromString(content))
        self.arrived.set()


def named(attributes: list[KeyValue]) -> dict[str, str | int]:
    return {
        one.key: one.value.string_value if one.value.HasField("string_value") else one.value.int_value
        for one in attributes
    }


@contextmanager
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            if found.stalls:
                found.released.wait(60)
            found.take(self.path, content)
            self.send_response(found.status)
            self.send_header("content-length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, *_: object) -> None:
            """Nothing: a test reads what arrived."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        found.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
