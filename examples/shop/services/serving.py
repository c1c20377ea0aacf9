"""JSON over HTTP/1.1, both ways, for the five services: routes in, calls out.

A service listens on one address, answers what its routes name, and reaches others at URLs it is given in its
environment. That the URL is a port of its own sidecar, and the call beyond it mTLS, it cannot tell.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import select
import signal
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

MAX_BODY_BYTES = 64 * 1024
PATIENCE_SECONDS = 15.0

Json = dict[str, object]
Route = Callable[[Json], Json]


class Wrong(Exception):  # noqa: N818 - read as a sentence: raise Wrong(400, ...)
    """The request cannot be answered; `status` says whose turn it is."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Upstream:
    """Another service. One kept connection per thread."""

    def __init__(self, name: str) -> None:
        variable = f"{name.upper()}_URL"
        self._name = name
        self._where = urlsplit(os.environ.get(variable, ""))
        if not self._where.hostname:
            raise SystemExit(f"set {variable} to where {name} is reached, for example http://127.0.0.1:9001")
        self._kept = threading.local()

    def get(self, path: str) -> Json:
        return self._ask("GET", path, b"")

    def post(self, path: str, body: Json) -> Json:
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes) -> Json:
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        try:
            return self._over(kept if kept and _still_open(kept) else self._connect(), method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self._kept.connection = None
            raise Wrong(502, f"{self._name} cannot be reached: {error}") from error

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._where.hostname or "", self._where.port or 80
        self._kept.connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
        connection: http.client.HTTPConnection = self._kept.connection
        return connection

    def _over(self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes) -> Json:
        connection.request(method, path, body or None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read(MAX_BODY_BYTES + 1)
        if response.status != 200:
            raise Wrong(502, f"{self._name} answered {response.status}: {content[:200].decode(errors='replace')}")
        return decoded(content)


def _still_open(connection: http.client.HTTPConnection) -> bool:
    """Between two requests nothing is to be read; what is readable then is the other side's goodbye."""
    return connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]


def decoded(content: bytes) -> Json:
    try:
        value = json.loads(content or b"{}")
    except ValueError as error:
        raise Wrong(400, "not JSON") from error
    if not isinstance(value, dict):
        raise Wrong(400, "not a JSON object")
    return value


def whole_number(body: Mapping[str, object], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise Wrong(400, f"{name} is a whole number above zero")
    return value


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(name: str, routes: Mapping[tuple[str, str], Route]) -> None:
    """Listen where the command line says, until told to stop."""
    reader = argparse.ArgumentParser(description=f"The shop's {name} service.")
    reader.add_argument("--address", default="127.0.0.1")
    reader.add_argument("--port", type=int, required=True)
    given = reader.parse_args()
    answers = {("GET", "/healthz"): lambda _: {"ok": True, "service": name}, **routes}
    server = _Server((given.address, given.port), _handler(answers))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.getsid(0) == os.getpid() else signal.default_int_handler)
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def _handler(routes: Mapping[tuple[str, str], Route]) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"routes": routes})


class _Handler(BaseHTTPRequestHandler):
    routes: Mapping[tuple[str, str], Route]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    wbufsize = 16 * 1024  # one write: a header packet and a body packet would wait for each other

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            status, body = 200, self._routed()
        except Wrong as wrong:
            status, body = wrong.status, {"error": str(wrong)}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _routed(self) -> Json:
        text = self.headers.get("Content-Length", "0")
        length = int(text) if text.isascii() and text.isdigit() else -1
        if not 0 <= length <= MAX_BODY_BYTES or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Wrong(413, f"bodies have a Content-Length of at most {MAX_BODY_BYTES}")
        content = self.rfile.read(length)
        route = self.routes.get((self.command, urlsplit(self.path).path))
        if route is None:
            raise Wrong(404, f"nothing at {self.command} {self.path[:200]}")
        return route(decoded(content))

    def log_message(self, *_: object) -> None:
        """The sidecar's access log has every request."""
