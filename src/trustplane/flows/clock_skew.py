"""How far this machine's clock is from a server's, and how sure that is.

An exchange whose server named its time gives an offset with a bound: the server read its clock at some instant between
question and answer, so the offset is known to within half the round trip (RFC 5905 §8). Pure: instants in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

NOTHING = timedelta(0)
WORTH_SAYING = timedelta(seconds=5)
BACKDATING = timedelta(seconds=30)  # what profiles backdate by unless they say otherwise
KEPT_FOR = timedelta(minutes=10)  # a sharper, older measurement is preferred for so long


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer by our clock, and the server's clock in between."""

    asked: datetime
    server: datetime
    answered: datetime


@dataclass(frozen=True, slots=True)
class Skew:
    """The server's clock less ours, to within `error`. Positive: ours is behind."""

    offset: timedelta
    error: timedelta
    measured_at: datetime

    @property
    def at_least(self) -> timedelta:
        """The size that is certain."""
        return max(NOTHING, abs(self.offset) - self.error)

    @property
    def worth_saying(self) -> bool:
        return self.at_least > WORTH_SAYING

    @property
    def invalidates(self) -> bool:
        """Whether a fresh SVID can be invalid by one of the two clocks."""
        return self.at_least > BACKDATING

    def server_time(self, at: datetime) -> datetime:
        return at + self.offset


def measured(exchange: Exchange) -> Skew | None:
    """None when our own clock was set between question and answer."""
    took = exchange.answered - exchange.asked
    if took < NOTHING:
        return None
    return Skew(exchange.server - (exchange.asked + took / 2), took / 2, exchange.answered)


def preferred(held: Skew | None, fresh: Skew) -> Skew:
    """The sharper one while both can be true; the fresh one when the held is old or a clock was set meanwhile."""
    if held is None or not NOTHING <= fresh.measured_at - held.measured_at <= KEPT_FOR:
        return fresh
    if abs(held.offset - fresh.offset) > held.error + fresh.error:
        return fresh
    return held if held.error < fresh.error else fresh
