"""A clock that differs or is set is named, measured anew, and never decides alone when to renew."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tests.kit.clock import START, VirtualClock
from tests.kit.node_line import running
from trustplane.fault import Unavailable
from trustplane.flows.clock_skew import Exchange
from trustplane.flows.node.clock_watch import MEASURED_EVERY, ClockWatch, LatestClock

SECOND = timedelta(seconds=1)


class Machine:
    """Its wall clock can be set; the count of time that passed cannot."""

    def __init__(self) -> None:
        self.passing = VirtualClock()
        self.set_by = timedelta(0)
        self.measurements = 0
        self.watch = ClockWatch(self, self.elapsed)

    def now(self) -> datetime:
        return self.passing.now() + self.set_by

    async def sleep(self, duration: timedelta) -> None:
        await self.passing.sleep(duration)

    def elapsed(self) -> timedelta:
        return self.passing.now() - START

    async def measure(self) -> None:
        self.measurements += 1
        self.exchange()

    def exchange(self) -> None:
        """With a server whose clock is right."""
        self.watch.exchanged(Exchange(self.now(), self.passing.now(), self.now()))


async def unreachable() -> None:
    raise Unavailable(code="server-away", what="no server", why="it is down", fix="wait")


def code(machine: Machine) -> str | None:
    found = machine.watch.finding()
    return found.code if found else None


def test_a_clock_ahead_and_a_clock_behind_are_named_until_they_are_right() -> None:
    machine = Machine()
    machine.exchange()
    assert code(machine) is None
    for set_by, expected in ((60 * SECOND, "clock-ahead"), (-60 * SECOND, "clock-behind"), (SECOND, None)):
        machine.set_by = set_by
        machine.exchange()
        assert code(machine) == expected


def test_a_clock_that_is_set_is_noticed_within_a_tick_and_measured_anew() -> None:
    async def play() -> None:
        machine = Machine()
        machine.exchange()
        async with running(machine.watch.run(machine.measure)):
            await machine.passing.advance(10 * SECOND)
            assert machine.measurements == 0
            for times, step in enumerate((timedelta(hours=-2), timedelta(hours=3)), start=1):
                machine.set_by += step
                await machine.passing.advance(2 * SECOND)
                assert machine.measurements == machine.watch.steps == times
            assert code(machine) == "clock-ahead"

    asyncio.run(play())


def test_without_a_server_a_step_forgets_what_was_measured_before() -> None:
    async def play() -> None:
        machine = Machine()
        machine.exchange()
        async with running(machine.watch.run(unreachable)):
            await machine.passing.advance(SECOND)
            machine.set_by = timedelta(hours=1)
            await machine.passing.advance(2 * SECOND)
            assert machine.watch.skew is None
            assert machine.watch.latest() == machine.now()

    asyncio.run(play())


def test_clocks_are_compared_now_and_then_even_when_nothing_else_is_asked() -> None:
    async def play() -> None:
        machine = Machine()
        async with running(machine.watch.run(machine.measure)):
            await machine.passing.advance(3 * MEASURED_EVERY + SECOND)
            assert machine.measurements == 3

    asyncio.run(play())


def test_renewals_follow_the_later_of_the_two_clocks() -> None:
    machine = Machine()
    latest = LatestClock(machine, machine.watch)
    assert latest.now() == machine.now()
    machine.set_by = timedelta(hours=-1)
    machine.exchange()
    assert latest.now() == machine.passing.now()
    machine.set_by = timedelta(hours=1)
    machine.exchange()
    assert latest.now() == machine.now()
