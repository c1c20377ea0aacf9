"""A collector may be slow, gone or choosy: nothing waits for it, the queue ends, and what is lost is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.kit.clock import VirtualClock
from tests.kit.handshakes import AT, refused
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.records.export_telemetry import (
    AT_ONCE,
    MOST_WAITING,
    ExportTelemetry,
    OfferedOnceKept,
    WaitingFailures,
)
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.stored import Stored, stored
from trustplane.registry.parcels import NONE_LOST, ParcelId, Received
from trustplane.spiffe.names import NodeName

NODE = NodeName("node-a")
ONE = stored(NODE, refused())
GONE = Unavailable(code="telemetry-not-taken", what="gone", why="gone", fix="wait")
NEVER = Refused(code="telemetry-refused", what="no", why="no", fix="no")


@dataclass(slots=True)
class MemoryLine:
    """`metrics` and `logs` are what it says next; nothing: it takes all."""

    metrics: Fault | None = None
    logs: Fault | None = None
    takes: int = 10**9
    figures: int = 0
    taken: list[int] = field(default_factory=list)

    async def send_metrics(self) -> int:
        if self.metrics:
            raise self.metrics
        self.figures += 1
        return 0

    async def send_failures(self, failures: Sequence[Stored]) -> int:
        if self.logs:
            raise self.logs
        self.taken.append(len(failures))
        return max(0, len(failures) - self.takes)


def exporting(line: MemoryLine, waiting: int) -> ExportTelemetry:
    queue = WaitingFailures()
    queue.offer([ONE] * waiting)
    return ExportTelemetry(line, queue, timedelta(seconds=15), VirtualClock(AT))


def test_all_that_waits_is_sent_in_portions() -> None:
    line = MemoryLine()
    telemetry = exporting(line, AT_ONCE + 7)
    asyncio.run(telemetry.export())
    assert (line.figures, line.taken, len(telemetry.waiting), telemetry.waiting.lost) == (1, [AT_ONCE, 7], 0, 0)


def test_a_collector_that_is_away_is_waited_for_until_the_queue_ends() -> None:
    line = MemoryLine(metrics=GONE, logs=GONE)
    telemetry = exporting(line, MOST_WAITING - 1)
    telemetry.waiting.offer([ONE] * 3)
    for _ in range(2):
        asyncio.run(telemetry.export())
    assert (len(telemetry.waiting), telemetry.waiting.lost) == (MOST_WAITING, 2)
    assert telemetry.failed == {"metrics": 2, "logs": 0}
    line.metrics = line.logs = None
    asyncio.run(telemetry.export())
    assert (sum(line.taken), len(telemetry.waiting), telemetry.waiting.lost) == (MOST_WAITING, 0, 2)


def test_what_is_refused_for_good_is_lost_and_does_not_stop_what_follows() -> None:
    line = MemoryLine(metrics=NEVER, logs=NEVER)
    telemetry = exporting(line, AT_ONCE + 1)
    asyncio.run(telemetry.export())
    assert (len(telemetry.waiting), telemetry.waiting.lost) == (0, AT_ONCE + 1)
    assert telemetry.failed == {"metrics": 1, "logs": 2}


def test_what_was_taken_in_part_is_counted() -> None:
    telemetry = exporting(MemoryLine(takes=4), 10)
    asyncio.run(telemetry.export())
    assert (len(telemetry.waiting), telemetry.waiting.lost) == (0, 6)


@dataclass(slots=True)
class MemoryStore:
    is_new: bool

    async def put_handshakes(self, parcel: HandshakeParcel, failures: Sequence[Stored], at: datetime) -> Received:
        assert failures
        assert parcel.since <= at
        return Received(parcel.id.number, self.is_new)

    async def prune_handshakes(self, records_before: datetime, hours_before: datetime) -> int:
        return int(records_before >= hours_before)


def test_a_failure_is_offered_once_it_is_kept_and_not_when_it_came_again() -> None:
    parcel = HandshakeParcel(ParcelId(NODE, "ab" * 8, 7), AT, (), {}, NONE_LOST)
    for is_new, offered in ((True, 1), (False, 0)):
        queue = WaitingFailures()
        asyncio.run(OfferedOnceKept(MemoryStore(is_new), queue).put_handshakes(parcel, [ONE], AT))
        assert len(queue) == offered
