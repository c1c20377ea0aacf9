"""What the proxies of this node decide, counted by the minute into parcels for the server.

What should be seen soon (`flows.records.parcels`) is a denial, or a candidate that would have decided otherwise. Kinds
are bounded, and what does not fit is counted as dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

import structlog

from trustplane.clock import Clock
from trustplane.flows.records.parcels import ParcelsInTurn, Spool
from trustplane.registry.parcels import NONE_LOST, Losses, ParcelId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.delivery import MOST_KINDS, Parcel
from trustplane.verdict.folding import Asked, Paths
from trustplane.verdict.logged import Logged, kind_of
from trustplane.verdict.tally import Sample, Tally, add, requests

MOST_KNOWN = 2000  # lines as they were read; whoever calls chooses how long theirs is


class CountDecisions:
    """Satisfies `wire.access_logs.Decisions`."""

    def __init__(
        self, node: NodeName, stream: str, asked: Callable[[ServiceName], Asked], spool: Spool[Parcel], clock: Clock
    ) -> None:
        self._asked = asked
        self._clock = clock
        self._known: dict[tuple[ServiceName, str, str, str], DecisionKind | None] = {}
        self._log = structlog.get_logger("decisions")
        self.counted = 0
        self.unread = 0  # requests whose decision could not be read
        self.dropped = 0
        self.begin()
        self._turn = ParcelsInTurn[Parcel](node, stream, self, spool, clock)

    async def run(self) -> None:
        await self._turn.run()

    async def keep(self) -> None:
        await self._turn.keep()

    async def close(self) -> None:
        await self._turn.close()

    def begin(self) -> None:
        self._counts: dict[DecisionKind, Tally] = {}
        self._paths: defaultdict[ServiceName, Paths] = defaultdict(Paths)
        self._losses = NONE_LOST

    def packed(self, parcel: ParcelId, since: datetime) -> Parcel:
        return Parcel(parcel, since, dict(self._counts), self._losses)

    def decided(self, service: ServiceName, logged: Logged) -> None:
        kind = self._read(service, logged)
        if kind is None:
            self.unread += logged.requests
            return
        at, before = self._clock.now(), self._paths[service].folded_requests
        kept = self._paths[service].kept(kind, self._asked(service), logged.requests)
        if kept not in self._counts and len(self._counts) >= MOST_KINDS:
            self.lose(logged.requests)
            return
        sample = Sample(at, logged.sample) if logged.sample.isascii() and logged.sample.isprintable() else None
        add(self._counts, kept, Tally(logged.requests, at, at, sample))
        folded = self._paths[service].folded_requests - before
        self._losses = Losses(self._losses.dropped, self._losses.folded + folded)
        self.counted += logged.requests
        self._turn.changed(prompt=not kind.allowed or kind.disagrees)

    def _read(self, service: ServiceName, line: Logged) -> DecisionKind | None:
        key = (service, line.peer, line.asked, line.judged)
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = kind_of(service, line)
        return self._known[key]

    def lose(self, count: int) -> None:
        if not self.dropped:
            self._log.warning("decisions that could not be kept are counted only", requests=count)
        self.dropped += count
        self._losses = Losses(self._losses.dropped + count, self._losses.folded)
        self._turn.changed()

    @property
    def open_requests(self) -> int:
        return requests(self._counts)
