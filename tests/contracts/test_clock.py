"""What every clock promises, asked of the real one and of the one tests move by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta

import pytest

from tests.kit.clock import VirtualClock
from trustplane.clock import Clock
from trustplane.host.clock import SystemClock

LetPass = Callable[[Clock, timedelta], Awaitable[None]]

# The wall clock is stepped and slewed beside the loop's monotonic one; a sleep may look this much too short on it.
SLEW = timedelta(milliseconds=50)


async def _it_passes_by_itself(_clock: Clock, _duration: timedelta) -> None:
    await asyncio.sleep(0)


async def _it_is_moved(clock: Clock, duration: timedelta) -> None:
    assert isinstance(clock, VirtualClock)
    await clock.until_sleeping()
    await clock.advance(duration)


CLOCKS = [
    pytest.param(SystemClock, _it_passes_by_itself, id="system"),
    pytest.param(VirtualClock, _it_is_moved, id="virtual"),
]


@pytest.mark.parametrize(("make", "_let_pass"), CLOCKS)
def test_now_carries_utc(make: Callable[[], Clock], _let_pass: LetPass) -> None:
    assert make().now().tzinfo is UTC


@pytest.mark.parametrize(("make", "let_pass"), CLOCKS)
def test_after_a_sleep_at_least_that_much_time_has_passed(make: Callable[[], Clock], let_pass: LetPass) -> None:
    async def sleep_once() -> timedelta:
        clock = make()
        before = clock.now()
        sleeper = asyncio.create_task(clock.sleep(timedelta(milliseconds=200)))
        await let_pass(clock, timedelta(milliseconds=200))
        await sleeper
        return clock.now() - before

    assert asyncio.run(sleep_once()) >= timedelta(milliseconds=200) - SLEW


@pytest.mark.parametrize(("make", "_let_pass"), CLOCKS)
@pytest.mark.parametrize("duration", [timedelta(0), timedelta(seconds=-5)])
def test_a_sleep_that_is_already_over_returns_but_lets_others_run(
    make: Callable[[], Clock], _let_pass: LetPass, duration: timedelta
) -> None:
    async def sleep_beside_another() -> list[str]:
        seen: list[str] = []
        asyncio.get_running_loop().call_soon(seen.append, "another")
        await make().sleep(duration)
        return seen

    assert asyncio.run(sleep_beside_another()) == ["another"]


@pytest.mark.parametrize(("make", "_let_pass"), CLOCKS)
def test_a_sleep_can_be_cancelled(make: Callable[[], Clock], _let_pass: LetPass) -> None:
    async def cancel() -> None:
        sleeper = asyncio.create_task(make().sleep(timedelta(days=365)))
        await asyncio.sleep(0)
        sleeper.cancel()
        await sleeper

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
