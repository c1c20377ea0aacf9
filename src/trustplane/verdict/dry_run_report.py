"""What a dry run has shown: who would be refused who is not, who would be let in who is not, and what nobody asked.

Only requests that this very candidate judged count. A request that was refused because its certificate or identity is
revoked is no difference: no policy lets it in, the candidate neither.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from trustplane.registry.model import Operation
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.tally import Tallies, Tally, add


@dataclass(frozen=True, slots=True)
class Difference:
    """`before` and `after` are the rules that decide; none is the default, which denies.

    `request` is one of them: method and path. Without an operation it is of none that is declared.
    """

    service: ServiceName
    operation: str | None
    caller: SpiffeId | None
    before: str | None
    after: str | None
    request: str
    tally: Tally


@dataclass(frozen=True, slots=True, order=True)
class Exercise:
    """How many requests for an operation the candidate judged."""

    service: ServiceName
    operation: str
    count: int


@dataclass(frozen=True, slots=True)
class Judgements:
    """What arrived of a candidate's verdicts. Not `is_whole`: rarer kinds were left out. `lost`: requests that nodes
    said they could not count since it began, of whichever service."""

    tallies: Tallies = field(default_factory=dict)
    is_whole: bool = True
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    newly_denied: tuple[Difference, ...]
    newly_allowed: tuple[Difference, ...]
    exercised: tuple[Exercise, ...]  # every operation of the services tried, also those that nobody asked for
    judged: int
    is_whole: bool = True
    lost: int = 0

    @property
    def idle(self) -> tuple[Exercise, ...]:
        return tuple(one for one in self.exercised if not one.count)


def report(
    candidate: str,
    judgements: Judgements,
    operations: Mapping[ServiceName, Collection[Operation]],
    revoking: Collection[str],
) -> Report:
    """`operations`: of every service that is tried. `revoking`: the names under which a proxy refuses the revoked."""
    mine = {
        kind: tally for kind, tally in judgements.tallies.items() if kind.trial and kind.trial.candidate == candidate
    }
    differing = {kind: tally for kind, tally in mine.items() if kind.disagrees and kind.enforced.rule not in revoking}
    counts: dict[tuple[ServiceName, str], int] = {
        (service, one.name): 0 for service, offered in operations.items() for one in offered
    }
    for kind, tally in mine.items():
        if kind.operation is not None and (kind.callee, kind.operation) in counts:
            counts[kind.callee, kind.operation] += tally.count
    return Report(
        newly_denied=_rows({kind: tally for kind, tally in differing.items() if kind.allowed}),
        newly_allowed=_rows({kind: tally for kind, tally in differing.items() if not kind.allowed}),
        exercised=tuple(Exercise(*key, count) for key, count in sorted(counts.items())),
        judged=sum(one.count for one in mine.values()),
        is_whole=judgements.is_whole,
        lost=judgements.lost,
    )


def _rows(differing: Tallies) -> tuple[Difference, ...]:
    """The most frequent first; paths and ports of one operation are counted together, their most frequent shown."""
    kept: dict[DecisionKind, Tally] = {}
    shown: dict[tuple[object, ...], DecisionKind] = {}
    for kind, tally in sorted(differing.items(), key=lambda item: (-item[1].count, _order(item[0]))):
        first = shown.setdefault(_group(kind), kind)
        add(kept, first, tally)
    rows = [_difference(kind, tally) for kind, tally in kept.items()]
    return tuple(sorted(rows, key=lambda one: (-one.tally.count, one.service, one.operation or "", str(one.caller))))


def _group(kind: DecisionKind) -> tuple[object, ...]:
    after = kind.trial.verdict.rule if kind.trial else None
    named = () if kind.operation else (kind.method, kind.path)
    return (kind.callee, kind.operation, kind.caller, kind.enforced.rule, after, *named)


def _order(kind: DecisionKind) -> tuple[str, ...]:
    return (str(kind.callee), kind.method, str(kind.path), str(kind.caller), str(kind.port))


def _difference(kind: DecisionKind, tally: Tally) -> Difference:
    after = kind.trial.verdict.rule if kind.trial else None
    request = f"{kind.method} {kind.path}"
    return Difference(kind.callee, kind.operation, kind.caller, kind.enforced.rule, after, request, tally)
