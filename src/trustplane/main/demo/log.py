"""What the proxies themselves say: their access logs, counted line by line as they write them.

`all_mtls` is measured here and nowhere else: it holds as long as every line of a request that reached another service
names TLSv1.3 and a SPIFFE ID at both ends, in the caller's log and in the callee's.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field

import msgspec

MAX_LINE_BYTES = 64 * 1024
TLS = "TLSv1.3"
FORBIDDEN = 403


class Line(msgspec.Struct, frozen=True):
    """The fields of an access-log line that are counted. Absent ones are null."""

    log: str
    status: int | None = None
    tls_version: str | None = None
    peer_id: str | None = None
    local_id: str | None = None
    upstream: str | None = None
    peer_serial: str | None = None
    path: str | None = None
    tls_failure: str | None = None


@dataclass(slots=True)
class Tally:
    inbound: int = 0
    outbound: int = 0
    unsent: int = 0
    refused: int = 0
    handshakes_failed: int = 0
    without_mtls: list[Line] = field(default_factory=list)
    edges: Counter[tuple[str, str]] = field(default_factory=Counter)
    serials_seen: dict[str, set[str]] = field(default_factory=dict)

    def count(self, line: Line) -> None:
        match line.log:
            case "handshake":
                self.handshakes_failed += 1
            case "inbound":
                self.inbound += 1
                self.refused += line.status == FORBIDDEN
                self._judge(line)
                self.edges[line.peer_id or "?", line.local_id or "?"] += 1
                self.serials_seen.setdefault(line.peer_id or "?", set()).add(line.peer_serial or "?")
            case "outbound" if line.upstream:
                self.outbound += 1
                self._judge(line)
            case _:  # an outbound request that found nobody to go to
                self.unsent += 1

    def _judge(self, line: Line) -> None:
        if line.tls_version != TLS or not _is_id(line.peer_id) or not _is_id(line.local_id):
            self.without_mtls.append(line)

    @property
    def all_mtls(self) -> bool:
        return self.inbound > 0 and self.outbound > 0 and not self.without_mtls


def _is_id(text: str | None) -> bool:
    return text is not None and text.startswith("spiffe://")


async def read_lines(descriptor: int, tally: Tally) -> None:
    """Count what arrives on a pipe until its writer is gone."""
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    decoder = msgspec.json.Decoder(Line)
    try:
        while raw := await reader.readline():
            tally.count(decoder.decode(raw))
    finally:
        transport.close()
