"""Virtual time: one instant for each of many things, handed out in order.

A thing has one instant at most; giving it another forgets the first. Things of one second share a bucket that is sorted
only when its second comes, which is what makes a day of a large fleet affordable.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

_BUCKET = timedelta(seconds=1)


class Calendar:
    def __init__(self, start: datetime, things: int) -> None:
        self._start = start
        self._due: list[datetime | None] = [None] * things
        self._later: dict[int, list[tuple[datetime, int]]] = {}
        self._now: list[tuple[datetime, int]] = []
        self._bucket = -1

    def put(self, at: datetime, thing: int) -> None:
        self._due[thing] = at
        bucket = (at - self._start) // _BUCKET
        if bucket <= self._bucket:
            heappush(self._now, (at, thing))
        elif bucket in self._later:
            self._later[bucket].append((at, thing))
        else:
            self._later[bucket] = [(at, thing)]

    def drop(self, thing: int) -> None:
        self._due[thing] = None

    def due(self, thing: int) -> datetime | None:
        return self._due[thing]

    def until(self, end: datetime) -> Iterator[tuple[datetime, int]]:
        """Everything due before `end`, in order, also what is put meanwhile."""
        last = (end - self._start) // _BUCKET
        while self._bucket <= last:
            while self._now:
                at, thing = heappop(self._now)
                if at is self._due[thing] and at < end:
                    self._due[thing] = None
                    yield at, thing
            self._bucket += 1
            self._now = self._later.pop(self._bucket, [])
            heapify(self._now)
