"""The real clock across steps of the wall clock; what every clock promises is in tests/contracts."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from trustplane.host.clock import SystemClock


class _SetBy(SystemClock):
    """The real one, on a machine whose wall clock was set while it slept."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.by


def test_a_sleep_ends_soon_after_the_clock_was_set_past_its_end() -> None:
    async def sleep() -> None:
        clock = _SetBy()
        sleeper = asyncio.create_task(clock.sleep(timedelta(hours=1)))
        await asyncio.sleep(0)
        clock.by = timedelta(hours=2)
        async with asyncio.timeout(30):
            await sleeper

    asyncio.run(sleep())


def test_a_sleep_is_not_longer_because_the_clock_was_set_back() -> None:
    async def sleep() -> None:
        clock = _SetBy()
        sleeper = asyncio.create_task(clock.sleep(timedelta(milliseconds=300)))
        await asyncio.sleep(0)
        clock.by = timedelta(hours=-2)
        async with asyncio.timeout(30):
            await sleeper
        assert clock.by == timedelta(hours=-2)

    asyncio.run(sleep())


def test_the_count_goes_on_whatever_the_clock_is_set_to() -> None:
    clock = _SetBy()
    before = clock.elapsed()
    clock.by = timedelta(days=-1)
    assert clock.elapsed() >= before
