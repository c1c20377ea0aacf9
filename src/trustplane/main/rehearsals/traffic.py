"""Calls of one service to another, one after another, for as long as it matters: what a fault costs is counted here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from trustplane.flows.rehearsal import Check
from trustplane.main.rehearsals.pair import CALLEE, CALLER
from trustplane.main.rehearsals.places import CALLEE_APP, CALLER_LISTEN, Place

PAUSE_SECONDS = 0.05
ANSWERED_WITHIN_SECONDS = 15.0
MAX_WRONG_KEPT = 10
REQUEST = b"GET /ask HTTP/1.1\r\nhost: pay\r\nconnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
OK = "200"


@dataclass(slots=True)
class Calls:
    good: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, seen: str) -> None:
        if seen == OK:
            self.good += 1
            return
        self.wrong += 1
        if len(self.examples) < MAX_WRONG_KEPT:
            self.examples.append(seen)

    def none_failed(self) -> Check:
        failed = f", {self.wrong} failed: {', '.join(dict.fromkeys(self.examples))}" if self.wrong else ""
        must = f"no call of {CALLER} to {CALLEE} fails meanwhile"
        seen = f"{self.good} calls answered{failed or ', none failed'}"
        return Check(must, seen, self.good > 0 and not self.wrong, tells=True)


async def ask(place: Place, listen: int = CALLER_LISTEN) -> str:
    """The status that a caller gets through its own sidecar, which listens there for it, or what went wrong."""
    plain = place.stream_socket()
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            await asyncio.get_running_loop().sock_connect(plain, (place.loopback, listen))
            reader, writer = await asyncio.open_connection(sock=plain)
            try:
                writer.write(REQUEST)
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        plain.close()
        return type(error).__name__
    return line.split(b" ")[1].decode() if line.count(b" ") >= 1 else "closed without an answer"


@contextlib.asynccontextmanager
async def calling(place: Place, listen: int = CALLER_LISTEN) -> AsyncIterator[Calls]:
    """Calls while the body runs."""
    calls, stop = Calls(), asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            calls.count(await ask(place, listen))
            await asyncio.sleep(PAUSE_SECONDS)

    task = asyncio.create_task(work())
    try:
        yield calls
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def callee(place: Place, app: int = CALLEE_APP) -> AsyncIterator[None]:
    """The service behind the callee's sidecar."""
    listener = place.stream_socket()
    listener.bind((place.loopback, app))
    server = await asyncio.start_server(_answer, sock=listener)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
    writer.close()
