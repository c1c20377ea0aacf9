"""Two states of a trust repository: what the second allows that the first does not, and the other way round.

By service and operation, each with the callers and the shortest request. A service that is in one of them only is
compared with nothing, which lets nobody in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from trustplane.policy import document
from trustplane.policy.access import Access
from trustplane.policy.compile import OUTSIDE, compiled, stands_for_others
from trustplane.policy.difference import Region, difference, within
from trustplane.policy.explanation import name_of
from trustplane.policy.rules import default_rules, offered, probes_of
from trustplane.policy.tree import any_of, negated
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName

_NOBODY = Access((), ())


@dataclass(frozen=True, slots=True)
class Change:
    """`operation` is none where the requests are no declared operation."""

    service: ServiceName
    operation: str | None
    region: Region


def compare(before: DesiredState | None, after: DesiredState) -> Iterator[Change]:
    for name in sorted({*(before.services if before else ()), *after.services}):
        yield from changes_of(before, after, name)


def changes_of(before: DesiredState | None, after: DesiredState, name: ServiceName) -> Iterator[Change]:
    old, new = access_to(before, name), access_to(after, name)
    if old == new:
        return
    services = [state.services[name] for state in (after, before) if state and name in state.services]
    port = next((one.ports.mesh for one in services if one.ports), 0)
    known = frozenset(one.spiffe_id for state in (before, after) if state for one in state.services.values())
    offers = sorted({operation for one in services for operation in one.operations})
    for operation in offers:
        part = offered(operation)
        for region in _merged(difference(within(old, part), within(new, part), port, known)):
            yield Change(name, operation.name, region)
    part = negated(any_of(*map(offered, offers)))
    for region in _merged(difference(within(old, part), within(new, part), port, known)):
        yield Change(name, None, region)


def _merged(regions: Iterable[Region]) -> Iterator[Region]:
    """Callers with the same shortest request, decided by the same rules, as one; they differ elsewhere only."""
    found: dict[tuple[object, ...], Region] = {}
    for one in regions:
        asked = replace(one.request, caller=OUTSIDE)
        key = (one.newly_allowed, asked, one.before, one.after)
        found[key] = replace(found[key], callers=found[key].callers + one.callers) if key in found else one
    yield from found.values()


def access_to(state: DesiredState | None, name: ServiceName) -> Access:
    """By its policy, or by its declared callers; nobody's where there is no such service."""
    if state is None or name not in state.services:
        return _NOBODY
    if name in state.policies:
        return document.decode(state.policies[name])
    service = state.services[name]
    return compiled(default_rules(state, service), probes_of(state, service))


def caller_names(state: DesiredState, region: Region) -> tuple[str, ...]:
    """Registered services by name; identities that stand for others in words."""
    return tuple(dict.fromkeys(_caller_name(state, one) for one in region.callers))


def _caller_name(state: DesiredState, caller: SpiffeId) -> str:
    name = name_of(state, caller)
    if name != str(caller):
        return name
    if caller == OUTSIDE:
        return "any identity of a trust domain that no rule names"
    return f"any other identity of {caller.trust_domain}" if stands_for_others(caller) else name
