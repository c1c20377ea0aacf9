"""What the proxies of this node decide, counted by the minute into parcels for the server.

The parcel of this minute is written to disk every other second, so a node that dies loses no more than that and what
its proxies had not sent. It is closed after a minute, or sooner when something in it should be seen soon: a denial, or
a candidate that would have decided otherwise. Kinds are bounded, and what does not fit is counted as dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.registry.parcels import Losses, ParcelId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.delivery import MOST_KINDS, Parcel
from trustplane.verdict.folding import Asked, Paths
from trustplane.verdict.logged import Logged, kind_of
from trustplane.verdict.tally import Sample, Tally, add, requests

STEP = timedelta(seconds=2)
WINDOW = timedelta(minutes=1)
PROMPT = timedelta(seconds=6)
MOST_KNOWN = 2000  # lines as they were read; whoever calls chooses how long theirs is


class Spool(Protocol):
    async def write(self, parcel: Parcel) -> int:
        """Durable when it returns, in place of what has the same number. How many requests had to make room for it."""
        ...

    async def close(self, number: int) -> None:
        """That parcel is complete and may be delivered."""
        ...


class CountDecisions:
    """Satisfies `wire.access_logs.Decisions`."""

    def __init__(
        self, node: NodeName, stream: str, asked: Callable[[ServiceName], Asked], spool: Spool, clock: Clock
    ) -> None:
        self._node = node
        self._stream = stream
        self._asked = asked
        self._spool = spool
        self._clock = clock
        self._number = 1
        self._known: dict[tuple[ServiceName, str, str, str], DecisionKind | None] = {}
        self._log = structlog.get_logger("decisions")
        self.counted = 0
        self.unread = 0  # requests whose decision could not be read
        self.dropped = 0
        self._begin()

    def _begin(self) -> None:
        self._since: datetime | None = None
        self._counts: dict[DecisionKind, Tally] = {}
        self._paths: defaultdict[ServiceName, Paths] = defaultdict(Paths)
        self._losses = Losses()
        self._is_prompt = False
        self._is_changed = False

    def decided(self, service: ServiceName, logged: Logged) -> None:
        kind = self._read(service, logged)
        if kind is None:
            self.unread += logged.requests
            return
        at, before = self._clock.now(), self._paths[service].folded_requests
        kept = self._paths[service].kept(kind, self._asked(service), logged.requests)
        if kept not in self._counts and len(self._counts) >= MOST_KINDS:
            self._lose(logged.requests)
            return
        sample = Sample(at, logged.sample) if logged.sample.isascii() and logged.sample.isprintable() else None
        add(self._counts, kept, Tally(logged.requests, at, at, sample))
        folded = self._paths[service].folded_requests - before
        self._losses = Losses(self._losses.dropped, self._losses.folded + folded)
        self.counted += logged.requests
        self._since = self._since or at
        self._is_changed = True
        self._is_prompt = self._is_prompt or not kind.allowed or kind.disagrees

    def _read(self, service: ServiceName, line: Logged) -> DecisionKind | None:
        key = (service, line.peer, line.asked, line.judged)
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = kind_of(service, line)
        return self._known[key]

    def _lose(self, count: int) -> None:
        if not self.dropped:
            self._log.warning("decisions that could not be kept are counted only", requests=count)
        self.dropped += count
        self._losses = Losses(self._losses.dropped + count, self._losses.folded)
        self._since = self._since or self._clock.now()
        self._is_changed = True

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            try:
                await self.keep()
            except Unavailable as fault:
                self._log.warning("decisions stay in memory", code=fault.code, what=fault.finding.what)

    async def keep(self) -> None:
        """Write down what was counted so far; close the parcel when its time has come."""
        if self._is_changed:
            self._is_changed = False
            await self._write()
        since = self._since
        if since is not None and self._clock.now() - since >= (PROMPT if self._is_prompt else WINDOW):
            await self.close()

    async def close(self) -> None:
        """Also when the agent stops."""
        if self._since is not None:
            if self._is_changed:
                await self._write()
            number, self._number = self._number, self._number + 1
            self._begin()
            await self._spool.close(number)

    async def _write(self) -> None:
        since = self._since or self._clock.now()
        parcel = Parcel(ParcelId(self._node, self._stream, self._number), since, dict(self._counts), self._losses)
        try:
            if made_room := await self._spool.write(parcel):
                self._lose(made_room)
        except Unavailable:
            self._is_changed = True
            raise

    @property
    def open_requests(self) -> int:
        return requests(self._counts)
