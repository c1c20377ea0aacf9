"""How many certificates a second a server signs, as seen while askers waited for nothing but it.

A server that is not asked for all it can do says nothing about its pace, so only time with a queue is counted. A guess
that is too low mends itself: askers are let in a little faster than the pace that is known.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from trustplane.rotation.queue import Limits

FIRST = 4000.0  # more than one process signs: until it is measured, nobody is sent away who could be served
SLOWEST = 1.0
HEADROOM = 1.1
WINDOW = timedelta(seconds=1)
UNDER_WAY = 0.5  # seconds' worth: enough to keep every part of issuing busy, little enough to be answered in time
LEAST_UNDER_WAY = 256  # so that a database that takes seconds to write does not also make the pace fall to nothing

_SECOND = timedelta(seconds=1)


class SigningPace:
    """`configured` is an operator's word, for signers that are not to be driven as fast as they go."""

    def __init__(self, configured: float | None = None) -> None:
        self._configured = configured
        self._since: datetime | None = None
        self._signed = 0
        self._measured = False
        self.per_second = configured or FIRST

    @property
    def limits(self) -> Limits:
        if self._configured is not None:
            return Limits(self._configured, burst=max(1, int(self._configured / 10)))
        return Limits(self.per_second * HEADROOM, burst=self.under_way)

    @property
    def under_way(self) -> int:
        """The most certificates to be signed at the same time."""
        least = LEAST_UNDER_WAY if self._configured is None else 1
        return max(least, int(self.per_second * UNDER_WAY))

    def signed(self, count: int, at: datetime, *, waiting: bool) -> bool:
        """So many more, while others waited or not. Whether the pace has changed."""
        if not waiting or self._since is None or at < self._since:
            self._since, self._signed = (at if waiting else None), 0
            return False
        self._signed += count
        if at - self._since < WINDOW:
            return False
        seen = max(SLOWEST, self._signed / ((at - self._since) / _SECOND))
        self._since, self._signed = at, 0
        if self._configured is not None:
            return False
        # The first one replaces a guess. Later, a stall halves what is known at most: its end is found again soon.
        self.per_second = max(seen, self.per_second / 2) if self._measured else seen
        self._measured = True
        return True

    def interrupted(self) -> None:
        """What went on since the last measurement was not signing."""
        self._since = None
