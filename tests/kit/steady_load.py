"""Many callers and services on one thread: hundreds of requests a second that leave the processors to the mesh.

Each socket is made in the network of its host, whoever's thread it is. A request that is not answered with 200 and the
callee's name has failed; nothing is asked twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from trustplane.host.network_namespaces import Host

PATIENCE_SECONDS = 20.0
REQUESTS_A_CONNECTION = 50
MOST_REMEMBERED = 200
_REQUEST = b"POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Line:
    """Who is called over which loopback port of whose host. `kind` groups lines in the figures."""

    kind: str
    host: Host
    port: int
    callee: str

    def __str__(self) -> str:
        return f"{self.kind} {self.host.name} -> {self.callee}"


@dataclass(frozen=True)
class App:
    """What stands behind a sidecar, on its host's loopback."""

    name: str
    host: Host
    port: int


@dataclass(frozen=True)
class Failed:
    at: datetime
    line: Line
    why: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f} {self.line}: {self.why}"


@dataclass
class Tally:
    good: Counter[str] = field(default_factory=Counter)  # by kind
    failures: int = 0
    failed: list[Failed] = field(default_factory=list)  # the first of them
    since: float = field(default_factory=time.monotonic)

    @property
    def answered(self) -> int:
        return self.good.total()

    def fail(self, line: Line, why: str) -> None:
        self.failures += 1
        if len(self.failed) < MOST_REMEMBERED:
            self.failed.append(Failed(datetime.now(UTC), line, why))  # noqa: TID251 - as the logs it is read beside

    def __str__(self) -> str:
        took = time.monotonic() - self.since
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.good.items()))
        rate = (self.answered + self.failures) / took
        return f"{self.answered} answered ({kinds}), {self.failures} failed, {took:.0f} s, {rate:.0f} a second"


class SteadyLoad:
    """Services that answer as soon as it is entered, and callers that ask from `begin` to the end of the `with`."""

    def __init__(self, apps: Sequence[App], callers: int = 4) -> None:
        self.tally = Tally()
        self._apps = apps
        self._callers = callers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="steady-load")
        self._closing = contextlib.AsyncExitStack()
        self._calling: list[asyncio.Task[None]] = []
        self._open: set[asyncio.Transport] = set()
        self._stop = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def begin(self, lines: Sequence[Line], a_second: float) -> None:
        """So many requests a second in all, each line as often as any other."""
        self._do(self._begin(lines, a_second))

    def _do(self, what: object) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE_SECONDS * 2)  # type: ignore[arg-type]

    async def _serve(self) -> None:
        for app in self._apps:
            server = await self._loop.create_server(
                lambda name=app.name: _Answers(name.encode(), self._open),  # type: ignore[misc] # bound at once
                sock=_made(app.host, app.port),
            )
            self._closing.push_async_callback(server.wait_closed)
            self._closing.callback(server.close)

    async def _begin(self, lines: Sequence[Line], a_second: float) -> None:
        every = len(lines) * self._callers / a_second
        number = 0
        for _ in range(self._callers):
            for line in lines:
                delay = every * number / (len(lines) * self._callers)
                self._calling.append(asyncio.create_task(self._ask(line, every, delay)))
                number += 1

    async def _end(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._calling)
        for transport in self._open:
            transport.abort()
        await self._closing.aclose()

    async def _ask(self, line: Line, every: float, delay: float) -> None:
        """A caller that had to wait does not catch up: a steady crowd, not a burst after each pause."""
        await asyncio.sleep(delay)
        due = self._loop.time()
        while not self._stop.is_set():
            try:
                async with _connected(line) as asks:
                    for _ in range(REQUESTS_A_CONNECTION):
                        answer, goes_on = await asyncio.wait_for(asks.ask(), PATIENCE_SECONDS)
                        self._count(line, answer)
                        due = max(due + every, self._loop.time())
                        await asyncio.sleep(due - self._loop.time())
                        if self._stop.is_set() or not goes_on or asks.is_closed:
                            break
            except OSError as error:  # timeouts too
                self.tally.fail(line, f"{type(error).__name__} {error}")
                await asyncio.sleep(every)

    def _count(self, line: Line, answer: str) -> None:
        if answer == f"200 {line.callee}":
            self.tally.good[line.kind] += 1
        else:
            self.tally.fail(line, answer)


@contextlib.asynccontextmanager
async def _connected(line: Line) -> AsyncIterator[_Asks]:
    loop = asyncio.get_running_loop()
    with line.host.entered():
        plain = socket.socket()
    plain.setblocking(False)
    try:
        await asyncio.wait_for(loop.sock_connect(plain, ("127.0.0.1", line.port)), PATIENCE_SECONDS)
    except BaseException:
        plain.close()
        raise
    transport, asks = await loop.create_connection(_Asks, sock=plain)
    try:
        yield asks
    finally:
        transport.close()


def _made(host: Host, port: int) -> socket.socket:
    with host.entered():
        return socket.create_server(("127.0.0.1", port), backlog=1024)


class _Asks(asyncio.Protocol):
    """One request after the other over one connection."""

    def __init__(self) -> None:
        self.is_closed = False
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[str, bool]] | None = None

    async def ask(self) -> tuple[str, bool]:
        """The status and the body, and whether this connection takes another request."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(_REQUEST)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(_END)
        lines = head.lower().split(b"\r\n")
        length = next((int(one.split(b":")[1]) for one in lines if one.startswith(b"content-length:")), 0)
        if end and len(body) >= length and self._answer is not None and not self._answer.done():
            self._received = b""
            said = f"{head.split(b' ', 2)[1].decode()} {body.decode(errors='replace')[:200]}"
            self._answer.set_result((said, b"connection: close" not in lines))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"closed without an answer: {error or 'in an orderly way'}"))


class _Answers(asyncio.Protocol):
    """Says its name to every request; requests have no body."""

    def __init__(self, name: bytes, opened: set[asyncio.Transport]) -> None:
        self._said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name)
        self._received = b""
        self._opened = opened
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._transport is not None:
            self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *whole, self._received = (self._received + data).split(_END)
        if self._transport is not None and whole:
            self._transport.write(self._said * len(whole))
