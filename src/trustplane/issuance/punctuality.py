"""Whether leaves are renewed in time, counted by cohort: by who issued them, by the build of the agent, by the cluster.

Two promises. Every renewal is judged once: in time, if the next leaf was issued before half of the time from renewal to
expiry was gone (the instant at which an agent calls it late), else late. A leaf that expired without a successor is
remembered as lost, so that what is gone is not taken for what is well. Events are counted, not time, so that a quiet
hour says nothing.

What nobody is entitled to any more is let go of. The number of cohorts of a kind is bounded; those beyond are told of
together. Pure: leaves and an instant in, a value out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from trustplane.issuance.record import IssuedCertificate
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName

MOST_COHORTS: Final = 50  # of each kind
OTHERS: Final = "other"
A_TURN: Final = 500  # leaves looked at between two turns of whoever drives this
LOST_KEPT: Final = timedelta(days=1)  # who has not come back by then is not waited for
BANDS: Final = (0.1, 0.25, 0.5, 0.75)  # of a leaf's life
MAX_NAME: Final = 60


class By(Enum):
    ISSUER = "issuer"
    AGENT = "agent"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, order=True)
class Cohort:
    """`name` may come from an agent."""

    by: str
    name: str

    @classmethod
    def of(cls, by: By, name: str) -> Cohort:
        return cls(by.value, "".join(one if one.isprintable() else "?" for one in name[:MAX_NAME]))


@dataclass(slots=True)
class Punctual:
    """Of one cohort. `late`: past the instant, with the old leaf still valid. `first_expiry` is among the late."""

    leaves: int = 0
    late: int = 0
    lost: int = 0
    late_nodes: set[NodeName] = field(default_factory=set)
    first_expiry: datetime | None = None
    least_slack: float = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """`slack`: how many leaves have at most that share of their life left, and more than the band below it."""

    cohorts: Mapping[Cohort, Punctual] = field(default_factory=dict)
    slack: Mapping[float, int] = field(default_factory=dict)
    in_time: Mapping[Cohort, int] = field(default_factory=dict)
    late: Mapping[Cohort, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    serial: int
    not_before: datetime
    not_after: datetime
    late_at: datetime
    cohorts: tuple[Cohort, ...]
    judged: bool = False


_Key = tuple[NodeName, SpiffeId]
Cohorts = Callable[[IssuedCertificate], Sequence[Cohort]]
Entitled = Callable[[NodeName, SpiffeId], bool]


def late_at(leaf: IssuedCertificate) -> datetime:
    """From when its renewal is late; `rotation.leaf` tells its operator at the same instant."""
    return leaf.renew_at + (leaf.not_after - leaf.renew_at) / 2


class Punctuality:
    """What is known of the newest leaf of each identity and node, and how punctual each cohort has been since a start.

    `read` and `judge` pause now and then, so that who drives them can do something else; `standing` is the latest.
    """

    def __init__(self) -> None:
        self._known: dict[_Key, _Known] = {}
        self._names: dict[str, set[str]] = {by.value: set() for by in By}
        self._in_time: Counter[Cohort] = Counter()
        self._late: Counter[Cohort] = Counter()
        self.standing = Standing()

    def read(self, newest: Iterable[IssuedCertificate], cohorts: Cohorts, at: datetime) -> Iterator[None]:
        """Take in what was issued. Whose old leaf was already judged late is not counted again."""
        for number, one in enumerate(newest):
            key = one.node, one.spiffe_id
            known = self._known.get(key)
            if known is None or known.serial != one.serial:
                if known is not None and not known.judged:
                    self._judge(known, was_late=one.issued_at >= known.late_at)
                self._known[key] = self._fresh(one, cohorts(one))
            elif at < known.late_at and (told := self._bounded(cohorts(one))) != known.cohorts:
                self._known[key] = replace(known, cohorts=told)  # an agent is of another build now, for example
            if number % A_TURN == A_TURN - 1:
                yield

    def judge(self, entitled: Entitled, at: datetime) -> Iterator[None]:
        """Let go of whom nobody waits for, and say how it stands now."""
        found: dict[Cohort, Punctual] = {}
        slack: Counter[float] = Counter()
        for number, (key, known) in enumerate(list(self._known.items())):
            if not entitled(*key) or at - known.not_after >= LOST_KEPT:
                del self._known[key]
            else:
                if at >= known.late_at and not known.judged:
                    self._judge(known, was_late=True)
                    self._known[key] = replace(known, judged=True)
                left = max((known.not_after - at) / (known.not_after - known.not_before), 0.0)
                slack[next((band for band in BANDS if left <= band), 1.0)] += 1
                for cohort in known.cohorts:
                    _add(found.setdefault(cohort, Punctual()), key[0], known, left, at)
            if number % A_TURN == A_TURN - 1:
                yield
        self.standing = Standing(
            dict(sorted(found.items())),
            {band: slack[band] for band in (*BANDS, 1.0)},
            dict(self._in_time),
            dict(self._late),
        )

    def _fresh(self, one: IssuedCertificate, cohorts: Sequence[Cohort]) -> _Known:
        told = self._bounded(cohorts)
        for cohort in told:  # from the first leaf on, so that the first late one is an increase
            self._in_time[cohort] += 0
            self._late[cohort] += 0
        return _Known(one.serial, one.not_before, one.not_after, late_at(one), told)

    def _bounded(self, cohorts: Sequence[Cohort]) -> tuple[Cohort, ...]:
        return tuple(one if self._has_room(one) else Cohort(one.by, OTHERS) for one in cohorts)

    def _has_room(self, one: Cohort) -> bool:
        names = self._names[one.by]
        if one.name not in names and len(names) < MOST_COHORTS:
            names.add(one.name)
        return one.name in names

    def _judge(self, known: _Known, *, was_late: bool) -> None:
        (self._late if was_late else self._in_time).update(known.cohorts)


def _add(to: Punctual, node: NodeName, known: _Known, left: float, at: datetime) -> None:
    to.leaves += 1
    if at >= known.not_after:
        to.lost += 1
        to.late_nodes.add(node)
    elif at >= known.late_at:
        to.late += 1
        to.late_nodes.add(node)
        to.first_expiry = min(to.first_expiry or known.not_after, known.not_after)
    to.least_slack = min(to.least_slack, left)
