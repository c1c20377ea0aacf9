"""The agent's side of one leaf's renewal: when to ask, whom, and how to go on when there is no answer.

It promises: what is due is asked for until it is there, before and after expiry; one failure is nobody's business; the
nearer the expiry, the shorter the waits; a wait the server asks for is kept, but never past half of what is left of a
leaf in use, so that no leaf expires unasked while a server answers. Randomness is a hash of `salt` and the attempt.
`kept` is all that has to survive a restart. Addresses count from the server the agent is connected to, which is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache

import msgspec

SHORTEST = timedelta(milliseconds=200)  # the least between two questions for one leaf
FIRST = timedelta(seconds=1)  # the first wait is up to three of these
LONGEST = timedelta(minutes=2)  # the most, unless the server asks for more
LONGEST_EMPTY = timedelta(seconds=10)  # the most while there is no valid leaf
LONGEST_ASKED = timedelta(minutes=5)  # no server may silence an agent for longer
SHORTEST_ANSWER = timedelta(seconds=1)
LONGEST_ANSWER = timedelta(seconds=10)  # a question without an answer for so long has failed
CLOCK_SLACK = timedelta(seconds=10)

_QUESTIONS_LEFT = 8  # a wait is at most this part of the time to expiry
_ANSWERS_LEFT = 4  # and so is the time given to an answer
_UNHURRIED = LONGEST_ANSWER * _ANSWERS_LEFT  # with that much life left, an answer may take as long as any
_TICK = timedelta(microseconds=1)
_LONGEST, _LONGEST_EMPTY = LONGEST // _TICK, LONGEST_EMPTY // _TICK
_MASK = (1 << 64) - 1
_DRAWS = 1 << 53  # as many as a float tells apart


class Phase(Enum):
    EMPTY = "empty"
    FRESH = "fresh"
    ASKING = "asking"
    WAITING = "waiting"


class Notice(Enum):
    """What an operator should know; each once, until the next leaf is there."""

    LATE = "half of the time from renewal to expiry is gone, and there is no new leaf"
    EXPIRED = "the leaf has expired"
    RECOVERED = "there is a new leaf after it was late or had expired"
    CLOCK_SET_BACK = "the clock is before the instant at which this leaf was received"


# To look one up in its enumeration takes Python 3.11 longer than to call a function.
_FRESH, _ASKING, _WAITING = Phase.FRESH, Phase.ASKING, Phase.WAITING
_LATE, _EXPIRED = Notice.LATE, Notice.EXPIRED


@dataclass(frozen=True, slots=True)
class Kept:
    """What an agent stores of a renewal. `held_since` is by its own clock."""

    renew_at: datetime
    not_after: datetime
    held_since: datetime
    attempt: int = 0
    wait: timedelta = FIRST


@dataclass(frozen=True, slots=True)
class Ticked:
    """The instant asked for has come, or any other."""


class Issued(msgspec.Struct, frozen=True, gc=False):  # made for every renewal: a struct takes a fifth of the time
    """A new leaf, checked and in use, with the instant at which the server wants it renewed."""

    renew_at: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """No leaf from this address; `retry_after` is the least wait it asks for. The next address is asked next."""

    address: int
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """The server at this address works, and gave this leaf a turn of its own."""

    address: int
    turn: timedelta


@dataclass(frozen=True, slots=True)
class Moved:
    """The server asks to come earlier than it said at first."""

    renew_at: datetime


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another leaf is wanted at once; the one in use serves until it is there."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """The leaf in use is worth nothing any more."""


Event = Ticked | Issued | Failed | Deferred | Moved | Superseded | Revoked
TICKED = Ticked()


class AskAt(msgspec.Struct, frozen=True, gc=False):  # as often as `Issued`
    """Feed `Ticked` then; it replaces the instant asked for before."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the server at this address now; without an answer `within` that time, feed `Failed`."""

    address: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Noticed:
    notice: Notice


Effect = AskAt | Ask | Noticed


@lru_cache(maxsize=64)
def _unhurried(address: int) -> Ask:
    return Ask(address, LONGEST_ANSWER)


class LeafRenewal:
    """One leaf. Leaves of one `salt` that fail together come back together; `addresses`: how many servers are known."""

    __slots__ = (
        "_address",
        "_again",
        "_ask_at",
        "_attempt",
        "_held_since",
        "_noticed",
        "_salt",
        "_wait",
        "_waiting_since",
        "addresses",
        "not_after",
        "phase",
        "renew_at",
    )

    def __init__(self, salt: int, addresses: int = 1, kept: Kept | None = None) -> None:
        self.phase = Phase.FRESH if kept else Phase.EMPTY
        self.addresses = addresses
        self.renew_at = kept.renew_at if kept else None
        self.not_after = kept.not_after if kept else None
        self._held_since = kept.held_since if kept else None
        self._attempt = kept.attempt if kept else 0
        self._wait = kept.wait if kept else FIRST
        self._ask_at: datetime | None = None
        self._waiting_since: datetime | None = None
        self._salt = salt
        self._address = 0
        self._again = False
        self._noticed: tuple[Notice, ...] = ()

    @property
    def late(self) -> bool:
        """Whether an operator was told so, and no new leaf is there yet."""
        return _LATE in self._noticed or _EXPIRED in self._noticed

    @property
    def kept(self) -> Kept | None:
        """What has to be stored, or none while there is no leaf."""
        if self.renew_at is None or self.not_after is None or self._held_since is None:
            return None
        return Kept(self.renew_at, self.not_after, self._held_since, self._attempt, self._wait)

    def feed(self, event: Event, at: datetime) -> tuple[Effect, ...]:
        """Take one event; answer with what must now be done."""
        match event:
            case Ticked():
                return self._ticked(at)
            case Failed() | Deferred():
                return self._no_leaf(event, at)
            case Issued():
                return self._issued(event, at)
            case Moved():
                return self._moved(event, at)
            case Superseded():
                return self._at_once(at)
            case Revoked():
                self.renew_at = self.not_after = self._held_since = None
                return self._at_once(at)

    def _ticked(self, at: datetime) -> tuple[Effect, ...]:
        notices = self._lapses(at)
        phase = self.phase
        if phase is _ASKING:
            return notices
        if phase is _FRESH:
            return (*notices, *self._fresh(at))
        due = self._ask_at
        if phase is _WAITING and due is not None and due > at and not self._set_back(at):
            return (*notices, AskAt(due))
        return (*notices, self._ask(at))

    def _set_back(self, at: datetime) -> bool:
        """Whether the clock was set back since the wait began: what is left of it cannot be told by this clock."""
        return self._waiting_since is not None and at < self._waiting_since - CLOCK_SLACK

    def _fresh(self, at: datetime) -> tuple[Effect, ...]:
        due = self.renew_at
        if due is None or due <= at:
            return (self._ask(at),)
        if self._held_since is not None and at < self._held_since - CLOCK_SLACK:
            # How much is left cannot be told by this clock; a new leaf costs one question.
            return (*self._once(Notice.CLOCK_SET_BACK), self._ask(at))
        return (AskAt(due),)

    def _issued(self, leaf: Issued, at: datetime) -> tuple[Effect, ...]:
        recovered: tuple[Effect, ...] = ()
        if self._noticed:
            if self.late:
                recovered = (Noticed(Notice.RECOVERED),)
            self._noticed = ()
        self.not_after = leaf.not_after
        self._held_since = at
        self._attempt, self._wait, self._address = 0, FIRST, 0
        self.renew_at = _sensible(leaf, at)
        self.phase = _FRESH
        if self._again:
            self._again = False
            return (*recovered, self._ask(at))
        return (*recovered, AskAt(self.renew_at))

    def _no_leaf(self, answer: Failed | Deferred, at: datetime) -> tuple[Effect, ...]:
        if self.phase is not _ASKING or answer.address != self._address:
            return ()  # the answer to a question that is over
        self._attempt += 1
        if isinstance(answer, Deferred):
            return self._waiting(self._honoured(answer.turn, at), at)
        self._address = (self._address + 1) % self.addresses
        self._wait = self._drawn(at)
        asked = answer.retry_after
        return self._waiting(self._wait if asked is None else max(self._wait, self._honoured(asked, at)), at)

    def _waiting(self, wait: timedelta, at: datetime) -> tuple[Effect, ...]:
        self.phase = _WAITING
        self._again = False
        self._ask_at, self._waiting_since = at + wait, at
        return (*self._lapses(at), AskAt(self._ask_at))

    def _moved(self, event: Moved, at: datetime) -> tuple[Effect, ...]:
        if self.phase is not _FRESH or self.renew_at is None or event.renew_at >= self.renew_at:
            return ()  # never later than promised, and what is being asked for anyway is not moved
        self.renew_at = min(self.renew_at, max(event.renew_at, at))
        return (AskAt(self.renew_at),)

    def _at_once(self, at: datetime) -> tuple[Effect, ...]:
        if self.phase is _ASKING:
            self._again = True  # the answer under way may be of the old kind
            return ()
        return (self._ask(at),)

    def _ask(self, at: datetime) -> Ask:
        self.phase = _ASKING
        left = self._left(at)
        if left is None or left >= _UNHURRIED:
            return _unhurried(self._address)
        return Ask(self._address, max(SHORTEST_ANSWER, left / _ANSWERS_LEFT))

    def _left(self, at: datetime) -> timedelta | None:
        """The life left of the leaf in use; none when there is no valid one."""
        return self.not_after - at if self.not_after is not None and at < self.not_after else None

    def _drawn(self, at: datetime) -> timedelta:
        """Decorrelated jitter: one to three times the last wait, capped before it is drawn: no cap bunches anyone."""
        left = self._left(at)
        # In ticks: an outage is many of these, and lengths of time are slow to multiply and to divide.
        cap = _LONGEST_EMPTY if left is None else min(_LONGEST, left // _TICK // _QUESTIONS_LEFT)
        longest = min(cap, self._wait // _TICK * 3)
        drawn = _TICK * int(longest * (1 + 2 * _share(self._salt, self._attempt)) / 3)
        return max(SHORTEST, drawn)

    def _honoured(self, asked: timedelta, at: datetime) -> timedelta:
        left = self._left(at)
        most = LONGEST_ASKED if left is None else min(LONGEST_ASKED, left / 2)
        return max(SHORTEST, min(asked, most))

    def _lapses(self, at: datetime) -> tuple[Effect, ...]:
        if self.not_after is None or self.renew_at is None:
            return ()
        if at >= self.not_after:
            return self._once(_EXPIRED)
        if at > self.renew_at and at - self.renew_at > self.not_after - at:
            return self._once(_LATE)
        return ()

    def _once(self, notice: Notice) -> tuple[Effect, ...]:
        if notice in self._noticed:
            return ()
        self._noticed += (notice,)
        return (Noticed(notice),)


def _share(salt: int, attempt: int) -> float:
    """From 0 to below 1, by the finish of SplitMix64 (Steele, Lea, Flood 2014): a digest takes five times as long."""
    mixed = (salt + attempt * 0x9E3779B97F4A7C15) & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return ((mixed ^ mixed >> 31) >> 11) / _DRAWS


def _sensible(leaf: Issued, at: datetime) -> datetime:
    """The instant the server named, or by this clock one before expiry and not at once: never a circle of questions."""
    after = leaf.not_after - leaf.renew_at
    if LONGEST <= leaf.renew_at - at <= after + after:
        return leaf.renew_at  # well inside its life, as nearly always: told without a division
    left = leaf.not_after - at
    soonest = at + (SHORTEST if left < SHORTEST else min(LONGEST, left / (2 * _QUESTIONS_LEFT)))
    latest = leaf.not_after - left / _QUESTIONS_LEFT
    if soonest <= leaf.renew_at <= latest:
        return leaf.renew_at
    return soonest if leaf.renew_at < soonest or latest < soonest else latest
