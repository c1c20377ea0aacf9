"""Handshakes that failed of late, as the page of failures shows them: by cause, those with most connections first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trustplane.flows.records.ask_failures import Failed
from trustplane.handshake.advice import command_for
from trustplane.handshake.causes import CAUSES, Cause
from trustplane.handshake.diagnosis import SURE
from trustplane.handshake.failure import Side
from trustplane.handshake.groups import Group

LATELY = timedelta(hours=1)
MOST_GROUPS = 20
MOST_EVIDENCE = 4


@dataclass(frozen=True, slots=True)
class FailedAlike:
    """`whose`: the proxies that told of one of them. `judged`: whom the refused certificate claims to be."""

    cause: Cause
    strength: str
    confidence: float
    count: int
    first: datetime | None
    last: datetime | None
    whose: tuple[str, ...]
    judged: str
    evidence: tuple[str, ...]
    missing: tuple[str, ...]
    command: str


@dataclass(frozen=True, slots=True)
class FailedHandshakes:
    """`connections` are of the groups, `left_off` of those that are not here, `unseen` of what nobody looked at."""

    since: datetime
    groups: tuple[FailedAlike, ...]
    connections: int
    left_off: int
    unseen: int
    lost: int
    completed: int


def failed_handshakes(failed: Failed, groups: Sequence[Group]) -> FailedHandshakes:
    return FailedHandshakes(
        since=failed.since,
        groups=tuple(map(_alike, groups[:MOST_GROUPS])),
        connections=sum(one.count for one in groups),
        left_off=sum(one.count for one in groups[MOST_GROUPS:]),
        unseen=failed.left_out,
        lost=sum(one.dropped for one in failed.losses.values()),
        completed=sum(count for (_, side), count in failed.completed.items() if side is Side.SERVER),
    )


def _alike(group: Group) -> FailedAlike:
    diagnosis = group.diagnosis
    first = diagnosis.suspects[0]
    return FailedAlike(
        cause=CAUSES[first.cause],
        strength="It is" if first.confidence >= SURE else "Probably" if first.confidence >= 0.5 else "Perhaps",
        confidence=first.confidence,
        count=group.count,
        first=group.first,
        last=group.last,
        whose=tuple(dict.fromkeys(one.writer for one in diagnosis.pair.failures if one.writer)),
        judged=diagnosis.judged[0] if diagnosis.judged else "",
        evidence=first.evidence[:MOST_EVIDENCE],
        missing=diagnosis.missing,
        command=command_for(first.cause, diagnosis),
    )
