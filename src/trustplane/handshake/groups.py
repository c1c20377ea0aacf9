"""Many failures as few: one group for each cause, signature and name, the largest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from trustplane.handshake.diagnosis import Diagnosis, diagnose
from trustplane.handshake.failure import Failure
from trustplane.handshake.join import join
from trustplane.handshake.known import NOTHING, Known

MAX_GROUPS = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """`diagnosis` is of the first of them. `count` is of connections, with those that a record stands for."""

    diagnosis: Diagnosis
    count: int
    first: datetime | None
    last: datetime | None


def grouped(failures: Iterable[Failure], known: Known = NOTHING) -> list[Group]:
    """What does not fit into the groups there may be is counted in the last."""
    found: dict[tuple[str, ...], Group] = {}
    for pair in join(failures):
        diagnosis = diagnose(pair, known)
        key = _key(diagnosis)
        if key not in found and len(found) >= MAX_GROUPS:
            key = next(reversed(found))
        found[key] = _grown(found.get(key), diagnosis)
    return sorted(found.values(), key=lambda group: -group.count)


def _key(diagnosis: Diagnosis) -> tuple[str, ...]:
    return (diagnosis.signature, diagnosis.cause, str(diagnosis.pair.missing), *diagnosis.judged)


def _grown(group: Group | None, diagnosis: Diagnosis) -> Group:
    at, times = diagnosis.speaker.at, max(one.times for one in diagnosis.pair.failures)
    if group is None:
        return Group(diagnosis, times, at, at)
    seen = [one for one in (group.first, group.last, at) if one is not None]
    return Group(group.diagnosis, group.count + times, min(seen, default=None), max(seen, default=None))
