"""One HTTP/2 connection that sends these very pseudo-headers, right or wrong."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

from trustplane.main.envoy_bench import LOOPBACK, PATIENCE

Lines = Sequence[tuple[str, str]]
ENDED = 0
_AS_IS = H2Configuration(
    client_side=True,
    header_encoding="latin-1",
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


@dataclass(frozen=True)
class Answer:
    """`grpc` is empty where the answer has no such status. A stream or connection that ended has status `ENDED`."""

    status: int
    grpc: str = ""


async def ask(port: int, tls: ssl.SSLContext | None, lines: Lines) -> Answer:
    """A request without a body, over a connection of its own; without `tls`, in the clear."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        try:
            return await _asked(port, tls, lines)
        except (OSError, asyncio.IncompleteReadError):
            return Answer(ENDED)


async def _asked(port: int, tls: ssl.SSLContext | None, lines: Lines) -> Answer:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=tls)
    try:
        connection = H2Connection(_AS_IS)
        connection.initiate_connection()
        connection.send_headers(1, lines, end_stream=True)
        writer.write(connection.data_to_send())
        found: dict[str, str] = {}
        while received := await reader.read(65536):
            events = connection.receive_data(received)
            writer.write(connection.data_to_send())
            found |= _headers(events)
            if any(isinstance(one, StreamEnded | StreamReset | ConnectionTerminated) for one in events):
                break
        return Answer(int(found.get(":status", ENDED)), found.get("grpc-status", ""))
    finally:
        writer.transport.abort()


def _headers(events: Sequence[Event]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in events:
        if isinstance(one, ResponseReceived | TrailersReceived):
            found |= {_text(name): _text(value) for name, value in one.headers or ()}
    return found


def _text(found: bytes | str) -> str:
    return found if isinstance(found, str) else found.decode("latin-1")


def request(method: str, path: str, *more: tuple[str, str], authority: str = "payments") -> list[tuple[str, str]]:
    return [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path), *more]
