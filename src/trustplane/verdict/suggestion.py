"""Least privilege from traffic: the policy that allows what was allowed and used, and nothing else.

It is a proposal as a file, in uses of the reviewed templates, for a person to read. What was seen rarely is marked, and
what was never used is named: both may be a mistake, or the job that runs once a month.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from trustplane.policy.shipped import CALLER_MAY_CALL, FEDERATED_PARTNER
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.ids import SpiffeId
from trustplane.verdict.operations import named
from trustplane.verdict.tally import Tallies, Tally

RARE = 10  # requests


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`policy` is the text of a policy.yaml; empty where nothing was used. `notes` are for whoever reviews it."""

    policy: str
    notes: tuple[str, ...]


def suggestion(state: DesiredState, service: Service, traffic: Tallies) -> Suggestion:
    used, notes = _used(state, service, traffic)
    uses = [*_uses(state, used, own=True), *_uses(state, used, own=False)]
    unused = sorted({one.name for one in service.operations} - {name for _, name in used})
    notes += [f"nobody used {name}: no rule is written for it" for name in unused]
    return Suggestion("".join(uses), tuple(notes))


def _used(
    state: DesiredState, service: Service, traffic: Tallies
) -> tuple[Mapping[tuple[SpiffeId, str], Tally], list[str]]:
    used: dict[tuple[SpiffeId, str], Tally] = {}
    notes: list[str] = []
    for kind, tally in traffic.items():
        if kind.callee != service.name or not kind.allowed or kind.enforced.rule == "probes":
            continue
        meant = named(kind, service.operations)
        if meant.operation is None or meant.caller is None:
            asked = f"{kind.method} {kind.path}"
            notes.append(
                f"{asked} is no declared operation and was allowed {tally.count} times: declare it to allow it"
            )
            continue
        key = (meant.caller, meant.operation)
        used[key] = used[key].merged(tally) if key in used else tally
    notes += _strangers(state, used)
    return used, notes


def _strangers(state: DesiredState, used: Mapping[tuple[SpiffeId, str], Tally]) -> Iterator[str]:
    known = {one.spiffe_id for one in state.services.values()}
    for caller in sorted({caller for caller, _ in used}):
        if caller not in known and caller.trust_domain == state.trust_domain:
            yield f"{caller} called and is no service of this repository: no rule is written for it"


def _uses(state: DesiredState, used: Mapping[tuple[SpiffeId, str], Tally], *, own: bool) -> Iterator[str]:
    """Callers with the same operations share one use."""
    names = state.names_by_id()
    operations: defaultdict[SpiffeId, set[str]] = defaultdict(set)
    for caller, operation in used:
        if caller in names if own else caller.trust_domain != state.trust_domain:
            operations[caller].add(operation)
    groups: defaultdict[tuple[str, ...], list[SpiffeId]] = defaultdict(list)
    for caller, some in operations.items():
        groups[tuple(sorted(some))].append(caller)
    template, parameter = (CALLER_MAY_CALL, "callers") if own else (FEDERATED_PARTNER, "partners")
    for of, callers in sorted(groups.items()):
        for caller in sorted(callers):
            yield from (_rare(names.get(caller, str(caller)), one, used[caller, one]) for one in of)
        listed = ", ".join(sorted(names.get(one, str(one)) for one in callers))
        yield f"- use: {template}\n"
        yield f"  id: {'partners-' if not own else ''}{'-and-'.join(of)}\n"
        yield f"  {parameter}: [{listed}]\n  operations: [{', '.join(of)}]\n"


def _rare(caller: str, operation: str, tally: Tally) -> str:
    if tally.count >= RARE:
        return ""
    return f"# rare: {caller} used {operation} {tally.count} times, last {_day(tally.last)}\n"


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
