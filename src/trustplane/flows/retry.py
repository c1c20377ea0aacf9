"""How long to wait before trying again: decorrelated jitter, capped.

Each wait is drawn between the base and three times the last, so that a fleet that failed together does not come back
together.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random

from trustplane.fault import Fault, Unavailable

FIRST = timedelta(milliseconds=200)


class Patience:
    """The waits of one retry loop. `start_over` after a success."""

    def __init__(self, longest: timedelta, random: Random) -> None:
        self._longest = longest
        self._random = random
        self._last = FIRST

    def next_wait(self, asked: timedelta | None = None) -> timedelta:
        """The next wait; never shorter than what the other side asked for."""
        drawn = self._random.uniform(FIRST.total_seconds(), self._last.total_seconds() * 3)
        self._last = min(timedelta(seconds=drawn), self._longest)
        return max(self._last, asked or timedelta(0))

    def start_over(self) -> None:
        self._last = FIRST


def asked(fault: Fault) -> timedelta | None:
    """The wait the other side asked for, if it said that it is a matter of time."""
    return fault.retry_after if isinstance(fault, Unavailable) else None
