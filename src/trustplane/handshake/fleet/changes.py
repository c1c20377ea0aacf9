"""What began after which change: time compared with time.

The window is cut into turns. A subject could begin to fail in every turn after the one that it began in itself, until
it did; what failed in that one may have begun long before, and says nothing of when. A change is judged by the turns
after it, of the subjects in its reach.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trustplane.handshake.fleet.subject import Rollout, Subject
from trustplane.handshake.fleet.values import CHANGE, Explains, Name

TURNS = 60
MAX_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Window:
    begins: datetime
    ends: datetime

    @property
    def length(self) -> timedelta:
        return self.ends - self.begins

    def turn(self, at: datetime) -> int:
        """Which turn that instant is in; what lies outside is in the nearest."""
        length = max(self.length.total_seconds(), 1e-6)
        return min(TURNS - 1, max(0, int((at - self.begins).total_seconds() / length * TURNS)))


@dataclass(frozen=True, slots=True)
class After:
    """Of `turns` in which something could have begun, `within` lay after the change and in its reach; of `began` that
    did begin, `covers` did so there. `reached` are all in its reach."""

    rollout: Rollout
    turns: int
    within: int
    began: int
    covers: frozenset[int]
    reached: frozenset[int]

    @property
    def times_as_often(self) -> float:
        """How often something begins there, against all other turns. At least one is taken to begin in those: that
        none does in few turns proves little."""
        elsewhere, others = max(self.turns - self.within, 1), max(self.began - len(self.covers), 1)
        return len(self.covers) / max(self.within, 1) * elsewhere / others


@dataclass(frozen=True, slots=True)
class Reach:
    rollout: Rollout
    of: frozenset[int]


def reaches(subjects: Sequence[Subject], values: Iterable[Explains], rollouts: Iterable[Rollout]) -> list[Reach]:
    """The subjects that each change touches."""
    having = {one.name: one.exposed for one in values}
    everyone = frozenset(range(len(subjects)))
    return [Reach(one, _reach(one, having) if one.touches else everyone) for one in rollouts]


def as_values(reach: Iterable[Reach], subjects: int) -> list[Explains]:
    """Like others. What touches all tells nothing apart."""
    everyone = frozenset(range(subjects))
    return [Explains((CHANGE, one.rollout.value), one.of, everyone) for one in reach if 0 < len(one.of) < subjects]


def by_change(subjects: Sequence[Subject], reach: Iterable[Reach], window: Window) -> list[After]:
    """For the changes that began inside the window: of one before it, no time without it was seen."""
    could = [_could(one, window) for one in subjects]
    turns = sum(end - begin for begin, end in could)
    failing = ((one.first, place) for place, one in enumerate(subjects) if one.first and one.is_failing)
    late = sorted((at, place) for at, place in failing if could[place][0] < could[place][1])
    firsts, everyone = [at for at, _ in late], Counter(could)
    found = []
    for one in reach:
        started = one.rollout.started
        turn = window.turn(started)
        if window.begins < started < window.ends and turn > 0:
            of_all = len(one.of) == len(subjects)
            lengths = everyone if of_all else Counter(map(could.__getitem__, one.of))
            within = sum(max(0, end - max(begin, turn - 1)) * many for (begin, end), many in lengths.items())
            after = (place for _, place in late[bisect_left(firsts, started) :])
            covers = frozenset(place for place in after if of_all or place in one.of)
            found.append(After(one.rollout, turns, within, len(late), covers, one.of))
    return found


def _could(subject: Subject, window: Window) -> tuple[int, int]:
    """It could begin to fail in the turns after the first number, up to the second."""
    begin = window.turn(subject.began) if subject.began else 0
    if not subject.is_failing:
        return begin, TURNS - 1
    return begin, max(begin, window.turn(subject.first)) if subject.first else begin


def _reach(rollout: Rollout, having: Mapping[Name, frozenset[int]]) -> frozenset[int]:
    named = ((dimension, value) for dimension, values in rollout.touches.items() for value in values)
    return frozenset().union(*(having.get(name, frozenset()) for name in named))
