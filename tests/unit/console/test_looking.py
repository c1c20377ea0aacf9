from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from trustplane.console.looking import FRESH, SHARE, Once
from trustplane.fault import Refused


class Reading:
    """Takes `takes` of the clock's time."""

    def __init__(self, clock: VirtualClock, takes: timedelta = timedelta(0)) -> None:
        self.clock = clock
        self.takes = takes
        self.times = 0

    async def __call__(self) -> int:
        self.times += 1
        self.clock.set_back(-self.takes)
        return self.times


def test_what_was_read_is_shown_for_a_second_and_read_anew_after_it() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        once = Once(read := Reading(clock), clock)
        assert list(await asyncio.gather(once.now(), once.now())) == [1, 1]
        clock.set_back(-(FRESH - timedelta(milliseconds=1)))
        assert await once.now() == 1
        clock.set_back(-timedelta(milliseconds=1))
        assert await once.now() == 2
        assert read.times == 2

    asyncio.run(scenario())


def test_what_takes_long_is_read_in_a_tenth_of_the_time() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        once = Once(Reading(clock, timedelta(seconds=2)), clock)
        assert await once.now() == 1
        clock.set_back(-(SHARE * timedelta(seconds=2) - timedelta(seconds=1)))
        assert await once.now() == 1
        clock.set_back(-timedelta(seconds=1))
        assert await once.now() == 2

    asyncio.run(scenario())


def test_what_someone_did_is_seen_at_once() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        once = Once(Reading(clock, timedelta(seconds=2)), clock)
        await once.now()
        once.forget()
        assert await once.now() == 2

    asyncio.run(scenario())


def test_a_failure_is_everyones_for_a_moment_and_then_tried_again() -> None:
    async def scenario() -> None:
        clock, tries = VirtualClock(), 0

        async def failing() -> int:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise Refused(code="away", what="x", why="y", fix="z")
            return tries

        once = Once(failing, clock)
        for _ in range(2):
            with pytest.raises(Refused, match="away"):
                await once.now()
        clock.set_back(-FRESH)
        assert await once.now() == 2

    asyncio.run(scenario())
