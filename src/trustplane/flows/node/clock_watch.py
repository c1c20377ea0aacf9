"""Watching this machine's clock: against the servers', and against time that only goes forward.

Every exchange with a server measures the difference. A clock that was set, or a machine that slept, shows at once as a
difference to a count that goes on meanwhile; then the difference is measured anew. What follows from a wrong clock is
said once, by name, and again only when it changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault, Finding
from trustplane.flows.clock_skew import NOTHING, Exchange, Skew, measured, preferred

TICK = timedelta(seconds=1)
STEP = timedelta(seconds=2)  # a tick may be late; a clock that was set by less harms nobody
MEASURED_EVERY = timedelta(minutes=15)


class ClockWatch:
    def __init__(self, clock: Clock, elapsed: Callable[[], timedelta], known: Skew | None = None) -> None:
        """`elapsed` goes on while the machine sleeps and whatever the clock is set to; `known`: before a restart."""
        self._clock = clock
        self._elapsed = elapsed
        self._said: str | None = None
        self._log = structlog.get_logger("clock")
        self.skew: Skew | None = None
        self.before = known  # may be of a clock that was set since: good for an explanation, not for a decision
        self.steps = 0

    def exchanged(self, exchange: Exchange) -> None:
        fresh = measured(exchange)
        if fresh is None:
            return
        self.skew = preferred(self.skew, fresh)
        found = self.finding()
        if (found.code if found else None) != self._said:
            self._said = found.code if found else None
            if found is None:
                self._log.info("the clock agrees with the server's again")
            else:
                self._log.warning("clocks differ", code=found.code, what=found.what, fix=found.fix)

    def latest(self) -> datetime:
        """The later of our clock and what is certain of the server's: renewals wait for neither."""
        at = self._clock.now()
        return at if self.skew is None else max(at, self.skew.server_time(at) - self.skew.error)

    def finding(self) -> Finding | None:
        """The difference, when it is worth an operator's time."""
        skew = self.skew
        if skew is None or not skew.worth_saying:
            return None
        size = f"{skew.at_least.total_seconds():.0f} s or more"
        refused = "fresh SVIDs are refused by one of the two"
        why = f"{'' if skew.invalidates else 'from 30 s on, '}{refused}, unless their profile backdates by more"
        fix = "keep both clocks with NTP: chronyc tracking, then chronyc makestep"
        if skew.offset > NOTHING:
            what = f"this machine's clock is {size} behind the server's"
            return Finding(code="clock-behind", what=what, why=why, fix=fix)
        what = f"this machine's clock is {size} ahead of the server's"
        return Finding(code="clock-ahead", what=what, why=why, fix=fix)

    async def run(self, measure: Callable[[], Awaitable[object]]) -> None:
        """`measure` has an exchange with a server."""
        wall, count = self._clock.now(), self._elapsed()
        due = count + MEASURED_EVERY
        while True:
            await self._clock.sleep(TICK)
            passed, counted = self._clock.now() - wall, self._elapsed() - count
            wall, count = wall + passed, count + counted
            stepped = abs(passed - counted) > STEP
            if stepped:
                self.steps += 1
                self.skew = None  # it was of the clock as it was before
                self._log.warning("the clock was set", by_seconds=round((passed - counted).total_seconds(), 1))
            if stepped or count >= due:
                due = count + MEASURED_EVERY
                await self._measure(measure)

    async def _measure(self, measure: Callable[[], Awaitable[object]]) -> None:
        try:
            await measure()
        except Fault as fault:
            self._log.info("clock not compared with a server's", code=fault.code)


class LatestClock:
    """Sleeps like our clock, and is as late as the later of ours and the server's."""

    def __init__(self, clock: Clock, watch: ClockWatch) -> None:
        self._clock = clock
        self._watch = watch

    def now(self) -> datetime:
        return self._watch.latest()

    async def sleep(self, duration: timedelta) -> None:
        await self._clock.sleep(duration)
