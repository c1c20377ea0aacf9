"""Figures and failures on their way to somebody else's collector; nothing here waits for that to work.

Failures wait in a queue that ends: what does not fit is counted as lost. Figures are of now, so those that could not be
sent are not sent later. A failure is sent at least once, unless the collector refuses it for good.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.stored import Stored
from trustplane.registry.parcels import Received

MOST_WAITING = 5000
AT_ONCE = 500
METRICS, LOGS = "metrics", "logs"


class Line(Protocol):
    """To the collector. `Unavailable`: try again later. `Refused`: it will never take that."""

    async def send_metrics(self) -> int:
        """How many of the figures it did not take."""
        ...

    async def send_failures(self, failures: Sequence[Stored]) -> int:
        """How many of them it did not take."""
        ...


class WaitingFailures:
    """A queue that ends. The first of an incident say most of it, so that the last are lost."""

    def __init__(self) -> None:
        self._waiting: deque[Stored] = deque()
        self.lost = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, failures: Sequence[Stored]) -> None:
        """Never waits."""
        room = max(0, MOST_WAITING - len(self._waiting))
        self._waiting.extend(failures[:room])
        self.lost += max(0, len(failures) - room)

    def first(self) -> list[Stored]:
        """They stay until it is known what became of them."""
        return [self._waiting[place] for place in range(min(AT_ONCE, len(self._waiting)))]

    def done(self, count: int, lost: int) -> None:
        """With the first of them, of which so many were lost."""
        for _ in range(count):
            self._waiting.popleft()
        self.lost += lost


class ExportTelemetry:
    def __init__(self, line: Line, waiting: WaitingFailures, every: timedelta, clock: Clock) -> None:
        self._line = line
        self._every = every
        self._clock = clock
        self._log = structlog.get_logger("telemetry")
        self._failing = False
        self.waiting = waiting
        self.failed: Counter[str] = Counter({METRICS: 0, LOGS: 0})

    async def run(self) -> None:
        while True:
            await self.export()
            await self._clock.sleep(self._every)

    async def export(self) -> None:
        """All that can be sent now."""
        try:
            await self._figures()
            while len(self.waiting):
                await self._some_failures()
        except Unavailable as fault:
            self._say_failing(fault)
        else:
            if self._failing:
                self._log.info("telemetry is taken again")
            self._failing = False

    async def _figures(self) -> None:
        try:
            if await self._line.send_metrics():
                self.failed[METRICS] += 1
        except Refused as fault:
            self.failed[METRICS] += 1
            self._say_failing(fault)
        except Unavailable:
            self.failed[METRICS] += 1
            raise

    async def _some_failures(self) -> None:
        some = self.waiting.first()
        try:
            lost = await self._line.send_failures(some)
        except Refused as fault:
            self.failed[LOGS] += 1
            lost = len(some)
            self._say_failing(fault)
        except Unavailable:
            self.failed[LOGS] += 1
            raise
        self.waiting.done(len(some), lost)

    def _say_failing(self, fault: Refused | Unavailable) -> None:
        if not self._failing:
            self._log.warning("telemetry is not taken", code=fault.code, what=fault.finding.what, why=fault.finding.why)
        self._failing = True


class Kept(Protocol):
    async def put_handshakes(self, parcel: HandshakeParcel, failures: Sequence[Stored], at: datetime) -> Received: ...

    async def prune_handshakes(self, records_before: datetime, hours_before: datetime) -> int: ...


class OfferedOnceKept:
    """A store of handshakes whose failures are offered for export once they are kept."""

    def __init__(self, store: Kept, waiting: WaitingFailures) -> None:
        self._store = store
        self._waiting = waiting

    async def put_handshakes(self, parcel: HandshakeParcel, failures: Sequence[Stored], at: datetime) -> Received:
        received = await self._store.put_handshakes(parcel, failures, at)
        if received.is_new:
            self._waiting.offer(failures)
        return received

    async def prune_handshakes(self, records_before: datetime, hours_before: datetime) -> int:
        return await self._store.prune_handshakes(records_before, hours_before)
