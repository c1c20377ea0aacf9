"""The server's waiting room for signatures: who is served next, who must come back, and when.

Nearest expiry first, where a workload that holds nothing counts as expiring when it asked. Nobody stands longer than
`Limits.patience`, so no answer goes to an asker who has hung up; whoever has no place, or lost it to those who come
before, is told a turn of its own, one after the other at the pace of signing, so that those sent away do not come back
together. No node can fill the room.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

from trustplane.fault import Refused

LONGEST_WAIT = timedelta(minutes=5)

_RESERVED = 0.9  # of the pace is given out as turns; the rest is for those who come unasked
_LAST = datetime.max.replace(tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_GOLDEN = 0.6180339887498949  # its multiples, less their whole part, are spread evenly however many there are

Ticket = TypeVar("Ticket", bound=Hashable)
Node = TypeVar("Node", bound=Hashable)

# The nearer the expiry the larger, then the order of arrival, whose it is, and since when it stands.
_Place: TypeAlias = tuple[timedelta, int, Ticket, Node, datetime]


@dataclass(frozen=True, slots=True)
class Limits:
    """`per_second` signatures, `burst` at once; nobody stands longer than `patience`; `per_node` stand for one node."""

    per_second: float
    burst: int
    patience: timedelta = timedelta(seconds=4)
    per_node: int = 256

    def __post_init__(self) -> None:
        if not (0 < self.per_second <= 1e6 and self.burst >= 1 and self.per_node >= 1 and self.patience > timedelta(0)):
            raise Refused(
                code="bad-admission-limits",
                what=f"a queue for {self.per_second:g} signatures a second, {self.burst} at once, is not usable",
                why="rate, burst, patience and places for a node must be above nothing, the rate at most a million",
                fix="give the rate that the server was measured at",
            )

    @property
    def places(self) -> int:
        return max(1, int(self.per_second * self.patience.total_seconds()))


@dataclass(frozen=True, slots=True)
class Shed(Generic[Ticket]):
    """This asker has no place, and is to come back after `wait`."""

    ticket: Ticket
    wait: timedelta


class AdmissionQueue(Generic[Ticket, Node]):
    def __init__(self, limits: Limits, at: datetime) -> None:
        self._limits = limits
        self._places = limits.places
        self._tokens = float(limits.burst)
        self._counted = at
        self._row: list[_Place[Ticket, Node]] = []  # nearest expiry last, and of two the older one
        # Who has stood longest is first: found at once also when many have left, which a plain dict does not promise.
        self._standing: OrderedDict[Ticket, _Place[Ticket, Node]] = OrderedDict()
        self._of_node: dict[Node, int] = {}
        self._order = 0
        self._turn = at  # until here, the pace of signing has been given out as turns
        self._sent_away = 0

    def __len__(self) -> int:
        return len(self._row)

    def keep_to(self, limits: Limits) -> None:
        """From now on. Nobody who stands here is sent away by it."""
        self._limits = limits
        self._places = limits.places
        self._tokens = min(self._tokens, float(limits.burst))

    def offer(self, at: datetime, ticket: Ticket, node: Node, expires: datetime | None) -> Shed[Ticket] | None:
        """Take this asker in; `expires` is the end of what it holds now. Whoever has no place is named: it, or another.

        An asker that stands here already is moved to what it says now.
        """
        if ticket in self._standing:
            self.withdraw(ticket)
        of_node = self._of_node.get(node, 0)
        if of_node >= self._limits.per_node:
            return Shed(ticket, self._limits.patience * (0.5 + self._spread()))
        self._order += 1
        place = (_LAST - (expires or at), -self._order, ticket, node, at)
        insort(self._row, place)
        self._standing[ticket] = place
        self._of_node[node] = of_node + 1
        if len(self._row) <= self._places:
            return None
        last = self._row.pop(0)
        self._left(last)
        return Shed(last[2], self._wait(at))

    def take(self, at: datetime, most: int | None = None) -> list[Ticket]:
        """Those to be signed for now, nearest expiry first."""
        self._refill(at)
        taken: list[Ticket] = []
        while self._row and self._tokens >= 1 and len(taken) != most:
            self._tokens -= 1
            place = self._row.pop()
            self._left(place)
            taken.append(place[2])
        return taken

    def overdue(self, at: datetime) -> list[Shed[Ticket]]:
        """Those who have stood as long as anyone may, while others came before them."""
        shed: list[Shed[Ticket]] = []
        while self._standing:
            place = next(iter(self._standing.values()))
            if at - place[4] < self._limits.patience:
                break
            self.withdraw(place[2])
            shed.append(Shed(place[2], self._wait(at)))
        return shed

    def next_at(self, at: datetime) -> datetime | None:
        """When `take` will have someone; never while nobody stands here."""
        if not self._row:
            return None
        missing = max(0.0, 1 - self._tokens)
        return max(at, self._counted + _SECOND * (missing / self._limits.per_second) + _TICK) if missing else at

    def withdraw(self, ticket: Ticket) -> bool:
        """This asker has hung up. Whether it stood here."""
        place = self._standing.get(ticket)
        if place is None:
            return False
        del self._row[bisect_left(self._row, place)]
        self._left(place)
        return True

    def _left(self, place: _Place[Ticket, Node]) -> None:
        del self._standing[place[2]]
        node = place[3]
        if self._of_node[node] == 1:
            del self._of_node[node]
        else:
            self._of_node[node] -= 1

    def _refill(self, at: datetime) -> None:
        # A clock set back brings nothing, and costs nothing: counting goes on from where it is now.
        if at > self._counted:
            earned = (at - self._counted).total_seconds() * self._limits.per_second
            self._tokens = min(float(self._limits.burst), self._tokens + earned)
        self._counted = at

    def _wait(self, at: datetime) -> timedelta:
        pace = self._limits.per_second
        backlog = at + _SECOND * (len(self._row) / pace)
        turn = max(min(self._turn, at + LONGEST_WAIT), backlog) + _SECOND / (pace * _RESERVED)
        self._turn = turn
        if turn - at <= LONGEST_WAIT:
            return turn - at
        return LONGEST_WAIT * (0.5 + self._spread() / 2)

    def _spread(self) -> float:
        self._sent_away += 1
        return self._sent_away * _GOLDEN % 1
