"""A clock that stands still until a test moves it.

Sleepers wake in the order they are due, each at its own instant, and whatever they do then happens before time goes
on: a renewal loop that sleeps again inside one `advance` sleeps from the instant it woke at. It passes the contract
suite of the real clock.
"""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2030, 1, 1, tzinfo=UTC)
_TURNS_OF_THE_LOOP = 50


class VirtualClock:
    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = count()
        self._slept = asyncio.Event()

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    def now(self) -> datetime:
        return self._now

    async def sleep(self, duration: timedelta) -> None:
        if duration <= timedelta(0):
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + duration, next(self._order), woken))
        self._slept.set()
        try:
            await woken
        finally:
            self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[2] is not woken]
            heapq.heapify(self._sleepers)

    async def advance(self, duration: timedelta) -> None:
        """Let `duration` pass, waking all who sleep no longer than that, and let what they do come to rest."""
        until = self._now + duration
        await _rest()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await _rest()
        self._now = until

    def set_back(self, by: timedelta) -> None:
        """As by an administrator: who sleeps does so no longer for it, as with the real clock."""
        self._now -= by
        self._sleepers = [(due - by, number, woken) for due, number, woken in self._sleepers]

    async def until_sleeping(self, sleepers: int = 1) -> None:
        """Wait, in real time if need be, until that many tasks sleep on this clock."""
        while len(self._sleepers) < sleepers:
            self._slept.clear()
            await self._slept.wait()


async def _rest() -> None:
    for _ in range(_TURNS_OF_THE_LOOP):
        await asyncio.sleep(0)
