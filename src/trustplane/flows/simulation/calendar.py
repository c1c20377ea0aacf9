"""Virtual time: one instant for each of many things, handed out in order.

A thing has one instant at most; giving it another forgets the first. Things of one second share a bucket that is sorted
only when its second comes, which is what makes a day of a large fleet affordable; the few that are put into the second
that has begun are kept beside it, in a heap.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import heappop, heappush

_DAY = 86_400


class Calendar:
    def __init__(self, start: datetime, things: int) -> None:
        self._start = start
        self._due: list[datetime | None] = [None] * things
        self._later: dict[int, list[tuple[datetime, int]]] = {}
        self._now: list[tuple[datetime, int]] = []  # the next one last
        self._soon: list[tuple[datetime, int]] = []
        self._bucket = -1

    def one_more(self) -> int:
        """A thing that nobody knew of. It is never taken away again."""
        self._due.append(None)
        return len(self._due) - 1

    def put(self, at: datetime, thing: int) -> None:
        self._due[thing] = at
        bucket = self._bucket_of(at)
        if bucket <= self._bucket:
            heappush(self._soon, (at, thing))
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
        last, due = self._bucket_of(end), self._due
        while self._bucket <= last:
            now, soon = self._now, self._soon
            while now or soon:
                at, thing = now.pop() if not soon or (now and now[-1] < soon[0]) else heappop(soon)
                if at is due[thing] and at < end:
                    due[thing] = None
                    yield at, thing
            self._bucket += 1
            self._now = self._later.pop(self._bucket, [])
            self._now.sort(reverse=True)

    def _bucket_of(self, at: datetime) -> int:
        since = at - self._start
        return since.days * _DAY + since.seconds  # a third of the time that dividing by a second takes
