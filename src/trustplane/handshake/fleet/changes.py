"""What began after which change: time compared with time.

The window is cut into turns. A subject could begin to fail in every turn until it did; what failed in the first turn
may have begun long before, and says nothing of when. A change is judged by the turns after it, of the subjects in its
reach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trustplane.handshake.fleet.subject import Rollout, Subject
from trustplane.handshake.fleet.values import CHANGE, Explains, Name

TURNS = 60
MAX_CHANGES = 100


@dataclass(frozen=True, slots=True)
class Window:
    begins: datetime
    ends: datetime

    def turn(self, at: datetime) -> int:
        """Which turn that instant is in; what lies outside is in the nearest."""
        length = max((self.ends - self.begins).total_seconds(), 1e-6)
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


def reaches(subjects: Sequence[Subject], values: Iterable[Explains], rollouts: Iterable[Rollout]) -> list[Explains]:
    """The subjects that each change touches, as a value like others. What touches all tells nothing apart."""
    having = {one.name: one.exposed for one in values}
    everyone = frozenset(range(len(subjects)))
    found = ((one, _reach(one, having, everyone)) for one in rollouts)
    return [Explains((CHANGE, one.value), reach, everyone) for one, reach in found if 0 < len(reach) < len(everyone)]


def by_change(
    subjects: Sequence[Subject], values: Iterable[Explains], rollouts: Sequence[Rollout], window: Window
) -> list[After]:
    """For the changes that began inside the window: of one before it, no time without it was seen."""
    having = {one.name: one.exposed for one in values}
    began = {place: window.turn(one.first) for place, one in enumerate(subjects) if one.is_failing and one.first}
    exposed = [_turns(one, began.get(place)) for place, one in enumerate(subjects)]
    late = [place for place, turn in began.items() if turn > 0]
    everyone, whole = frozenset(range(len(subjects))), Counter(exposed)
    found = []
    for one in rollouts:
        turn = window.turn(one.started)
        if window.begins < one.started < window.ends and turn > 0:
            reach = _reach(one, having, everyone)
            lengths = whole if reach is everyone else Counter(exposed[place] for place in reach)
            within = sum(max(0, length - turn) * many for length, many in lengths.items())
            covers = frozenset(place for place in late if place in reach and not _before(subjects[place], one))
            found.append(After(one, sum(exposed), within, len(late), covers, reach))
    return found


def _turns(subject: Subject, began: int | None) -> int:
    if not subject.is_failing:
        return TURNS
    return began + 1 if began else 0


def _before(subject: Subject, rollout: Rollout) -> bool:
    return subject.first is None or subject.first < rollout.started


def _reach(rollout: Rollout, having: Mapping[Name, frozenset[int]], everyone: frozenset[int]) -> frozenset[int]:
    if not rollout.touches:
        return everyone
    named = ((dimension, value) for dimension, values in rollout.touches.items() for value in values)
    return frozenset().union(*(having.get(name, frozenset()) for name in named))
