"""A service that answers, and callers that never stop asking, counting what failed."""

from __future__ import annotations

import contextlib
import http.client
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

PATIENCE_SECONDS = 20.0
A_SECOND = 80.0


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each body waits 40 ms for the acknowledgement of its headers
    name: ClassVar[str]
    # A connection that is kept must not keep the thread, and with it the test, for ever.
    timeout = 300

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = self.name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@contextlib.contextmanager
def application(name: str, address: str, port: int) -> Iterator[None]:
    """What stands behind a sidecar: it answers every POST with its own name."""
    answers = type("Answers", (_Answers,), {"name": name})
    server = ThreadingHTTPServer((address, port), answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def call(address: str, port: int, path: str = "/charge") -> tuple[int, str]:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", path, b"{}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def status(address: str, port: int, path: str = "/charge") -> int:
    """The answer's status; 0 when nobody answers."""
    try:
        return call(address, port, path)[0]
    except (OSError, http.client.HTTPException):
        return 0


@dataclass
class Counts:
    good: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    since: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __str__(self) -> str:
        took = time.monotonic() - self.since
        wrong = self.wrong.total()
        return f"{self.good} requests answered, {wrong} failed, {took:.0f} s, {(self.good + wrong) / took:.0f} a second"

    def add(self, wrong: str) -> None:
        with self._lock:
            if wrong:
                self.wrong[wrong] += 1
            else:
                self.good += 1


class Traffic:
    """Callers of several ports, each on a kept connection and now and then on a fresh one; `a_second` for each port.

    A caller that had to wait does not catch up: the rate is what a steady crowd asks, not a burst after each pause.
    """

    def __init__(self, address: str, ports: dict[str, int], callers: int = 2, a_second: float = A_SECOND) -> None:
        self.counts = Counts()
        self._address = address
        self._every = callers / a_second
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(name, port))
            for name, port in ports.items()
            for _ in range(callers)
        ]

    def __enter__(self) -> Counts:
        self.counts.since = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self.counts

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        sys.stderr.write(f"traffic: {self.counts}\n")  # pytest shows it only when it is asked to

    def _ask(self, name: str, port: int) -> None:
        connection = http.client.HTTPConnection(self._address, port, timeout=PATIENCE_SECONDS)
        number, due = 0, time.monotonic()
        while not self._stop.is_set():
            number += 1
            if number % 50 == 0:
                connection.close()
            self.counts.add(_wrong(connection, name))
            due = max(due + self._every, time.monotonic())
            time.sleep(max(due - time.monotonic(), 0))
        connection.close()


def _wrong(connection: http.client.HTTPConnection, name: str) -> str:
    try:
        connection.request("POST", "/charge", b"{}")
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return f"{name}: {type(error).__name__} {error}"
    return "" if (answer.status, said) == (200, name) else f"{name}: {answer.status} {said[:200]}"
