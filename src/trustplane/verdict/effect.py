"""What other policies would have done to the traffic there was: whom they would deny, whom let in, what nobody knows.

Compared with what the proxies decided, not with what the policies of now would say. Requests that are alike to a
person (caller, service, operation, the deciding rules) are one line. What a revocation refused is no policy's doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from trustplane.policy.access import Access, Verdict
from trustplane.policy.comparison import access_to
from trustplane.policy.compile import compiled
from trustplane.policy.rules import default_rules, probes_of, with_foreign
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind, SeenPath
from trustplane.verdict.operations import named
from trustplane.verdict.replay import CannotTell, narrowed, replayed
from trustplane.verdict.tally import Tallies, Tally

REVOKED = frozenset({"revoked-ids", "revoked-certificates", "revoked-issuers", "several-identities"})


class Outcome(Enum):
    NEWLY_DENIED = "would newly deny"
    NEWLY_ALLOWED = "would newly allow"
    CANNOT_TELL = "cannot tell"
    SAME = "as before"


@dataclass(frozen=True, slots=True)
class Line:
    """`path` is the one of those that was asked for most. `after`: the rule that would decide, or that it hangs on."""

    outcome: Outcome
    callee: ServiceName
    caller: SpiffeId | None
    operation: str | None
    before: str | None
    after: str | None
    method: str
    path: SeenPath
    tally: Tally


@dataclass(frozen=True, slots=True)
class Effect:
    """Everything in the order of its weight; `same` are requests that would be decided as they were."""

    lines: tuple[Line, ...]
    same: int
    not_exercised: tuple[tuple[ServiceName, str], ...]

    def of(self, outcome: Outcome) -> tuple[Line, ...]:
        return tuple(one for one in self.lines if one.outcome is outcome)


def is_policy(kind: DecisionKind) -> bool:
    return kind.allowed or kind.enforced.rule not in REVOKED


def effect(state: DesiredState, traffic: Tallies) -> Effect:
    rules = Rules(state)
    lines: dict[tuple[object, ...], Line] = {}
    same, seen = 0, set()
    for kind, tally in sorted(traffic.items(), key=lambda one: -one[1].count):
        service = state.services.get(kind.callee)
        meant = named(kind, service.operations) if service else kind
        seen.add((kind.callee, meant.operation))
        if not is_policy(kind):
            continue
        line = _line(meant, replayed(rules.about(kind), kind), tally)
        if line.outcome is Outcome.SAME:
            same += tally.count
            continue
        key = (line.outcome, line.callee, line.caller, line.operation, line.before, line.after)
        lines[key] = _merged(lines[key], line) if key in lines else line
    ordered = sorted(lines.values(), key=lambda one: (list(Outcome).index(one.outcome), -one.tally.count, str(one)))
    return Effect(tuple(ordered), same, tuple(_not_exercised(state, seen)))


class Rules:
    """The rules of one state, compiled once; those of the default also for callers of other domains."""

    def __init__(self, state: DesiredState) -> None:
        self._state = state
        self._known: dict[tuple[ServiceName, SpiffeId | None], Access] = {}
        self._asked: dict[tuple[ServiceName, SpiffeId | None, str], Access] = {}

    def about(self, kind: DecisionKind) -> Access:
        """What is left to be asked of this caller and method: there are few of those, and many paths."""
        asked = (kind.callee, kind.caller, kind.method)
        if asked not in self._asked:
            foreign = kind.caller if kind.caller and kind.caller.trust_domain != self._state.trust_domain else None
            key = (kind.callee, foreign)
            if key not in self._known:
                self._known[key] = self._access(kind.callee, foreign)
            self._asked[asked] = narrowed(self._known[key], kind)
        return self._asked[asked]

    def _access(self, callee: ServiceName, foreign: SpiffeId | None) -> Access:
        service = self._state.services.get(callee)
        if service is None or foreign is None or callee in self._state.policies:
            return access_to(self._state, callee)
        rules = with_foreign(default_rules(self._state, service), foreign)
        return compiled(rules, probes_of(self._state, service))


def _line(kind: DecisionKind, answer: Verdict | CannotTell, tally: Tally) -> Line:
    asked = (kind.callee, kind.caller, kind.operation, kind.enforced.rule, answer.rule, kind.method, kind.path)
    return Line(_outcome(kind, answer), *asked, tally)


def _outcome(kind: DecisionKind, answer: Verdict | CannotTell) -> Outcome:
    if isinstance(answer, CannotTell):
        return Outcome.CANNOT_TELL
    if answer.allowed is kind.allowed:
        return Outcome.SAME
    return Outcome.NEWLY_ALLOWED if answer.allowed else Outcome.NEWLY_DENIED


def _merged(larger: Line, other: Line) -> Line:
    return replace(larger, tally=larger.tally.merged(other.tally))


def _not_exercised(
    state: DesiredState, seen: Iterable[tuple[ServiceName, str | None]]
) -> Iterator[tuple[ServiceName, str]]:
    known = set(seen)
    for name, service in sorted(state.services.items()):
        for operation in sorted(one.name for one in service.operations):
            if (name, operation) not in known:
                yield name, operation
