"""How many requests there were in the regions of an exact difference of policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trustplane.policy.comparison import Change
from trustplane.policy.compile import OUTSIDE, stands_for_others
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import SpiffeId
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.effect import Rules, is_policy
from trustplane.verdict.operations import named
from trustplane.verdict.replay import CannotTell, replayed
from trustplane.verdict.tally import Tallies


@dataclass(frozen=True, slots=True)
class Live:
    """`unknown`: requests that may be in it, by headers or a path that no log holds."""

    requests: int = 0
    unknown: int = 0


class Traffic:
    """Observed requests, judged by the policies before and after once for all regions."""

    def __init__(self, before: DesiredState | None, after: DesiredState, traffic: Tallies) -> None:
        old, new = Rules(before) if before else None, Rules(after)
        self._moved: list[tuple[DecisionKind, bool | None, int]] = []
        for kind, tally in traffic.items():
            if not is_policy(kind):
                continue
            was = replayed(old.about(kind), kind) if old else None
            will = replayed(new.about(kind), kind)
            direction = None if isinstance(was, CannotTell) or isinstance(will, CannotTell) else will.allowed
            if direction is None or (was.allowed if was and not isinstance(was, CannotTell) else False) != direction:
                operations = [
                    one
                    for state in (after, before)
                    if state and kind.callee in state.services
                    for one in state.services[kind.callee].operations
                ]
                self._moved.append((named(kind, operations), direction, tally.count))

    def of(self, change: Change, beside: Iterable[Change] = ()) -> Live:
        """`beside`: the other changes, whose named callers are not among `any other`."""
        named_ones = {
            caller
            for one in (change, *beside)
            if (one.service, one.operation) == (change.service, change.operation)
            for caller in one.region.callers
        }
        found = Live()
        for kind, direction, count in self._moved:
            if (kind.callee, kind.operation) != (change.service, change.operation):
                continue
            if not _is_among(kind.caller, change.region.callers, named_ones):
                continue
            if direction is None:
                found = Live(found.requests, found.unknown + count)
            elif direction is change.region.newly_allowed:
                found = Live(found.requests + count, found.unknown)
        return found


def _is_among(caller: SpiffeId | None, callers: tuple[SpiffeId, ...], named_ones: set[SpiffeId]) -> bool:
    if caller is None:
        return False
    if caller in callers:
        return True
    if caller in named_ones:
        return False
    domains = {one.trust_domain for one in named_ones if stands_for_others(one)}
    return any(
        (stands_for_others(one) and one.trust_domain == caller.trust_domain)
        or (one == OUTSIDE and caller.trust_domain not in domains)
        for one in callers
    )
