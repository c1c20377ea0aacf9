"""What the virtual clock promises beyond the contract: order, and instants that are exact."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tests.kit.clock import START, VirtualClock


def _minutes(*minutes: int) -> list[datetime]:
    return [START + timedelta(minutes=minute) for minute in minutes]


def test_each_sleeper_wakes_at_its_own_instant_in_order() -> None:
    async def run() -> list[datetime]:
        clock, woke = VirtualClock(), []

        async def sleep(minutes: int) -> None:
            await clock.sleep(timedelta(minutes=minutes))
            woke.append(clock.now())

        async with asyncio.TaskGroup() as tasks:
            for minutes in (3, 1, 2):
                tasks.create_task(sleep(minutes))
            await clock.advance(timedelta(minutes=5))
        return woke

    assert asyncio.run(run()) == _minutes(1, 2, 3)


def test_a_loop_that_sleeps_again_is_woken_again_within_one_advance() -> None:
    async def run() -> list[datetime]:
        clock, woke = VirtualClock(), []

        async def every_minute() -> None:
            while True:
                await clock.sleep(timedelta(minutes=1))
                woke.append(clock.now())

        loop = asyncio.create_task(every_minute())
        await clock.advance(timedelta(minutes=3, seconds=59))
        loop.cancel()
        return woke

    assert asyncio.run(run()) == _minutes(1, 2, 3)


def test_nobody_wakes_early() -> None:
    async def run() -> tuple[bool, bool]:
        clock = VirtualClock()
        sleeper = asyncio.create_task(clock.sleep(timedelta(minutes=1)))
        await clock.advance(timedelta(seconds=59))
        early = sleeper.done()
        await clock.advance(timedelta(seconds=1))
        return early, sleeper.done()

    assert asyncio.run(run()) == (False, True)


def test_a_cancelled_sleeper_is_forgotten() -> None:
    async def run() -> int:
        clock = VirtualClock()
        sleeper = asyncio.create_task(clock.sleep(timedelta(minutes=1)))
        await clock.until_sleeping()
        sleeper.cancel()
        await asyncio.gather(sleeper, return_exceptions=True)
        return clock.sleepers

    assert asyncio.run(run()) == 0
