"""The real clock: the one place that asks the machine what time it is."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

_SLICE = 1.0  # seconds


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the ban exists so that instants in flows come from this line

    async def sleep(self, duration: timedelta) -> None:
        """Until the wall clock says that `duration` has passed, or a clock that is never set does.

        The loop's own timers stand still while the machine sleeps and know nothing of a clock that is set: without
        looking at both, what became due meanwhile would wait for as long again.
        """
        due, ends = self.now() + duration, self.elapsed() + duration
        await asyncio.sleep(max(min(duration.total_seconds(), _SLICE), 0))
        while self.now() < due and (left := (ends - self.elapsed()).total_seconds()) > 0:  # noqa: ASYNC110 - time has no event
            await asyncio.sleep(min(left, _SLICE))

    def elapsed(self) -> timedelta:
        """Since some instant, also while the machine slept, and whatever the wall clock is set to."""
        return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
