"""Which handshakes failed in a time: records to diagnose, and how many failures each stands for.

While there are no more than can be joined at once, all of them. Beyond that each kind is counted by the hour, and its
newest records, with the other side's of the same connections, stand for all of the kind; the time then begins and ends
with an hour, and kinds beyond those that are looked at are told as left out.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.handshake.failure import Side
from trustplane.handshake.groups import Group, grouped
from trustplane.handshake.issuer import NOBODY_ISSUED, Issuer
from trustplane.handshake.known import Known
from trustplane.handshake.record_shape import standing_for
from trustplane.handshake.stored import Counted, FailureKind, Stored, to_diagnose
from trustplane.registry.parcels import Losses
from trustplane.spiffe.names import NodeName, ServiceName

MOST_JOINED = 5000
MOST_KINDS = 500
MOST_SAMPLED = 800  # of all kinds; with the other sides of the same connections at most twice as many
MOST_OF_A_KIND = 20
HOUR = timedelta(hours=1)

Kinds = Sequence[tuple[FailureKind, Counted]]


class Store(Protocol):
    async def failure_records(self, since: datetime, until: datetime, limit: int) -> int: ...

    async def failures(self, since: datetime, until: datetime, limit: int) -> Sequence[Stored]: ...

    async def failure_kinds(self, since: datetime, until: datetime, limit: int) -> Kinds: ...

    async def failures_counted(self, since: datetime, until: datetime) -> int: ...

    async def failures_by_hour(self, since: datetime, until: datetime) -> Mapping[datetime, int]: ...

    async def failures_of(
        self, kinds: Iterable[bytes], since: datetime, until: datetime, each: int
    ) -> Mapping[bytes, Sequence[Stored]]: ...

    async def failures_beside(
        self, of: Sequence[Stored], since: datetime, until: datetime, limit: int
    ) -> Sequence[Stored]: ...

    async def handshakes_completed(
        self, since: datetime, until: datetime
    ) -> Mapping[tuple[NodeName, ServiceName, Side], int]: ...

    async def handshake_losses(self, since: datetime) -> Mapping[NodeName, Losses]: ...


@dataclass(frozen=True, slots=True)
class Failed:
    """`failures`: records of either side that there were; a connection may have two. `left_out`: as many of
    those as no record here stands for. `is_whole`: every one is here."""

    since: datetime
    until: datetime
    records: tuple[Stored, ...]
    failures: int
    left_out: int = 0
    is_whole: bool = True
    losses: Mapping[NodeName, Losses] = field(default_factory=dict)
    completed: Mapping[tuple[ServiceName, Side], int] = field(default_factory=dict)
    issuer: Issuer = NOBODY_ISSUED


class LookUp(Protocol):
    async def about(self, failed: Sequence[Stored]) -> Issuer:
        """What the issuer knows of the certificates in these records."""
        ...


class AskFailures:
    def __init__(self, store: Store, clock: Clock, look_up: LookUp | None = None) -> None:
        """Without `look_up`, records alone are diagnosed."""
        self._store = store
        self._look_up = look_up
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    async def explained(self, since: datetime) -> tuple[Failed, list[Group]]:
        """Joined and diagnosed beside the event loop: thousands of records take a good part of a second."""
        found = await self.failed(since)
        known = Known(at=self.now(), issuer=found.issuer)
        return found, await asyncio.to_thread(grouped, map(to_diagnose, found.records), known)

    async def failed(self, since: datetime, until: datetime | None = None) -> Failed:
        ends = min(until or self.now(), self.now())
        if since >= ends:
            raise _no_time(since, ends)
        if await self._store.failure_records(since, ends, MOST_JOINED + 1) <= MOST_JOINED:
            records = await self._store.failures(since, ends, MOST_JOINED)
            told = sum(one.reported.failure.times for one in records)
            found = Failed(since, ends, tuple(records), told)
        else:
            found = await self._sampled(_hour(since), min(_hour(ends) + HOUR, self.now()))
        return await self._beside(found)

    async def by_hour(self, hours: int) -> tuple[tuple[datetime, int], ...]:
        """How many there were in each of the last hours, the newest last; it has only begun."""
        newest = _hour(self.now())
        every = [newest - HOUR * (hours - 1 - number) for number in range(hours)]
        found = await self._store.failures_by_hour(every[0], newest + HOUR)
        return tuple((hour, found.get(hour, 0)) for hour in every)

    async def _sampled(self, since: datetime, until: datetime) -> Failed:
        kinds = dict(await self._store.failure_kinds(since, until, MOST_KINDS))
        each = max(1, min(MOST_OF_A_KIND, MOST_SAMPLED // len(kinds)))
        newest = await self._store.failures_of([one.id for one in kinds], since, until, each)
        sampled = [one for some in newest.values() for one in some]
        beside = await self._store.failures_beside(sampled, since, until, 2 * MOST_SAMPLED)
        counts = {kind.id: counted.count for kind, counted in kinds.items()}
        records = tuple(_standing(_by_kind(newest, beside), counts))
        total = await self._store.failures_counted(since, until)
        stood_for = sum(one.reported.failure.times for one in records)
        return Failed(since, until, records, total, max(total - stood_for, 0), is_whole=False)

    async def _beside(self, found: Failed) -> Failed:
        completed: dict[tuple[ServiceName, Side], int] = defaultdict(int)
        for (_, service, side), count in (await self._store.handshakes_completed(found.since, found.until)).items():
            completed[service, side] += count
        losses = await self._store.handshake_losses(found.since)
        return Failed(
            found.since,
            found.until,
            found.records,
            found.failures,
            found.left_out,
            found.is_whole,
            {node: one for node, one in losses.items() if one.dropped or one.folded},
            completed,
            await self._look_up.about(found.records) if self._look_up is not None else NOBODY_ISSUED,
        )


def _by_kind(newest: Mapping[bytes, Sequence[Stored]], beside: Sequence[Stored]) -> dict[bytes, list[Stored]]:
    """Each record once, under the kind that it was counted as: without its peer, where there were too many."""
    found = {kind: list(some) for kind, some in newest.items()}
    known = {_name(one) for some in found.values() for one in some}
    for one in beside:
        if _name(one) not in known:
            known.add(_name(one))
            kind = one.kind if one.kind.id in found else one.kind.without_peer()
            found.setdefault(kind.id, []).append(one)
    return found


def _name(one: Stored) -> tuple[object, ...]:
    failure = one.reported.failure
    return one.node, one.reported.service, failure.side, failure.at, failure.local, failure.peer, failure.text


def _standing(by_kind: Mapping[bytes, Sequence[Stored]], counts: Mapping[bytes, int]) -> Iterable[Stored]:
    """Each kind's count in even shares; one whose kind is not among those counted stands for itself."""
    for kind, records in by_kind.items():
        if not records:
            continue
        share, more = divmod(max(counts.get(kind, 0), len(records)), len(records))
        for place, one in enumerate(records):
            yield standing_for(one, share + (place < more))


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _no_time(since: datetime, until: datetime) -> Refused:
    return Refused(
        code="bad-query",
        what=f"no time is between {since:%Y-%m-%d %H:%M:%SZ} and {until:%Y-%m-%d %H:%M:%SZ}",
        why="it would have to end after it begins, and to begin before now",
        fix="ask from an earlier instant, or until a later one",
    )
