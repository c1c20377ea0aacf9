"""Which value of which dimension explains the failures, by how much better than chance.

Promises: a claim is made with a chance of at most `ALARM` that nothing but luck is behind it, however many values were
compared; values that hold for the same subjects are named together; where too little is known, nothing is claimed and
the reason is said. It says what coincides: what no dimension tells apart, it cannot see.

Values are compared subject by subject. Changes are compared by time as well: of the time that subjects could have begun
to fail in, how much lay after the change and within its reach, and how many began there (docs/decisions/0515).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from trustplane.handshake.fleet.chance import corrected, log_tail
from trustplane.handshake.fleet.changes import MAX_CHANGES, After, Window, as_values, by_change, reaches
from trustplane.handshake.fleet.left import Left
from trustplane.handshake.fleet.subject import FAILING_SHARE, Rollout, Subject
from trustplane.handshake.fleet.values import CHANGE, MAX_SUBJECTS, Explains, Name, by_value, named_together

ALARM = 0.001
MAX_FINDINGS = 5
LEAST = 3  # subjects that failed; two are an anecdote
CLEARLY = 3.0  # as often after a change as otherwise; in large fleets the ebb of a day is beyond chance too
SAME = 0.9  # of the subjects that failed, for a change and a value to be one story
NEARLY = 3.0  # in logarithms: what explains it about twenty times worse is said too


@dataclass(frozen=True, slots=True)
class Finding:
    """`values` hold for the same subjects and cannot be told apart. `share_of_failures` and `share_of_exposure` are of
    subjects, or of time where only a change explains it. `since` are the changes that its failures began after."""

    values: tuple[Name, ...]
    failures: int
    of_failures: int
    failing: int
    of_failing: int
    exposed: int
    share_of_exposure: float
    chance: float
    causes: tuple[tuple[str, int], ...]
    since: tuple[str, ...] = ()
    nearly: tuple[Name, ...] = ()

    @property
    def expected(self) -> float:
        """How many of the failures would be here by chance."""
        return self.of_failures * self.share_of_exposure

    @property
    def share_of_failures(self) -> float:
        return self.failing / self.of_failing

    @property
    def lift(self) -> float:
        return self.share_of_failures / self.share_of_exposure


@dataclass(frozen=True, slots=True)
class Ranking:
    """Failures are records, all else are subjects. `silence` says why nothing is claimed of what is left."""

    findings: tuple[Finding, ...]
    failures: int
    failing: int
    subjects: int
    comparisons: int
    unexplained: int
    silence: str = ""


def ranked(subjects: Sequence[Subject], rollouts: Sequence[Rollout] = (), window: Window | None = None) -> Ranking:
    subjects, rollouts = subjects[:MAX_SUBJECTS], rollouts[-MAX_CHANGES:]
    values = by_value(subjects)
    reach = reaches(subjects, values, rollouts)
    values += as_values(reach, len(subjects))
    changes = by_change(subjects, reach, window) if window else []
    judge = _Judge(subjects, sum(len(one.exposed) >= LEAST for one in values) + len(changes))
    found = judge.changes(judge.values(values), changes)
    left = judge.failing.difference(*(one.covers for one in found))
    return Ranking(
        tuple(one.finding for one in found),
        sum(one.failures for one in subjects),
        len(judge.failing),
        len(subjects),
        judge.comparisons,
        len(left),
        _silence(len(subjects), len(judge.failing), len(left), any(one.failures for one in subjects)),
    )


def _silence(subjects: int, failing: int, left: int, any_failed: bool) -> str:  # noqa: FBT001 - what was counted
    if not failing and any_failed:
        return f"no link fails in as much as {FAILING_SHARE:.1%} of what it does"
    if not left:
        return ""
    if failing == subjects:
        return "everything that was seen fails: without something that works, nothing can be compared"
    if left < LEAST:
        return f"too few are left to compare: {left} of the {LEAST} that it takes"
    return "what is left is spread as chance would spread it, over everything that is known of it"


@dataclass(frozen=True, slots=True)
class _Found:
    finding: Finding
    covers: frozenset[int]


class _Judge:
    def __init__(self, subjects: Sequence[Subject], comparisons: int) -> None:
        self.failing = frozenset(place for place, one in enumerate(subjects) if one.is_failing)
        self.comparisons = comparisons
        self._subjects = subjects
        self._failures = sum(one.failures for one in subjects)

    def values(self, values: Sequence[Explains]) -> list[_Found]:
        """The best first; then what is left is looked at without the subjects that it covers."""
        found: list[_Found] = []
        left = Left(values, self.failing)
        while len(found) < MAX_FINDINGS and (best := self._best(left)) is not None:
            found.append(best)
            left.without(best.covers)
        return found

    def _best(self, left: Left) -> _Found | None:
        tails = sorted((log_tail(*sizes), place) for place, sizes in left.sizes(LEAST))
        if not tails or corrected(tails[0][0], self.comparisons) > ALARM:
            return None
        tail, place = tails[0]
        best = left.of(place)
        near = [left.of(place) for other, place in tails if other <= tail + NEARLY]
        same = named_together(one for one in near if one.exposed == best.exposed)
        nearly = named_together(one for one in near if one.exposed != best.exposed)
        comparable = best.known & self.failing
        finding = Finding(
            same,
            of_failures=sum(self._subjects[place].failures for place in comparable),
            of_failing=len(comparable),
            exposed=len(best.exposed),
            share_of_exposure=len(best.exposed) / len(best.known),
            chance=corrected(tail, self.comparisons),
            nearly=nearly[:MAX_FINDINGS],
            **self._about(best.exposed & self.failing),
        )
        return _Found(finding, best.exposed)

    def _about(self, failing: frozenset[int]) -> _About:
        causes: Counter[str] = Counter()
        for place in failing:
            causes.update(self._subjects[place].causes)
        ordered = tuple(sorted(causes.items(), key=lambda one: (-one[1], one[0])))
        return {"failing": len(failing), "failures": causes.total(), "causes": ordered}

    def changes(self, found: Sequence[_Found], changes: Sequence[After]) -> list[_Found]:
        """A change that covers what a value covers is part of its story; one that does not is a story of its own."""
        told, gone = list(found), frozenset[int]().union(*(one.covers for one in found))
        nearest: dict[int, float] = {}
        tails = [(log_tail(one.turns, one.within, one.began, len(one.covers)), one) for one in changes]
        tails.sort(key=lambda one: (one[0], -one[1].rollout.started.timestamp()))
        for tail, change in tails:
            if len(change.covers) < LEAST or corrected(tail, self.comparisons) > ALARM:
                continue
            if change.times_as_often < CLEARLY:
                continue
            fits = [place for place, one in enumerate(told) if _same(one.covers & self.failing, change.covers)]
            for place in fits:
                since = told[place].finding.since
                # Whatever changed long before is followed by the same failures, and by more of a time without any.
                if tail <= nearest.setdefault(place, tail) + NEARLY and len(since) < MAX_FINDINGS:
                    finding = replace(told[place].finding, since=(*since, change.rollout.value))
                    told[place] = replace(told[place], finding=finding)
            if not fits and len(change.covers - gone) >= LEAST and len(told) < MAX_FINDINGS:
                nearest[len(told)] = tail
                told.append(self._by_time(tail, change))
                gone |= change.covers
        return told

    def _by_time(self, tail: float, change: After) -> _Found:
        finding = Finding(
            ((CHANGE, change.rollout.value),),
            of_failures=self._failures,
            of_failing=len(self.failing),
            exposed=len(change.reached),
            share_of_exposure=change.within / change.turns,
            chance=corrected(tail, self.comparisons),
            since=(change.rollout.value,),
            **self._about(change.covers),
        )
        return _Found(finding, change.covers)


class _About(TypedDict):
    failing: int
    failures: int
    causes: tuple[tuple[str, int], ...]


def _same(these: frozenset[int], those: frozenset[int]) -> bool:
    both = len(these & those)
    return both >= SAME * len(these) and both >= SAME * len(those)
