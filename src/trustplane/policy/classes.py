"""Callers that two trees cannot tell apart, as one class: what is decided for one of them is decided for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from trustplane.policy.access import Access, Grant
from trustplane.policy.compile import OUTSIDE, any_other, callers_in
from trustplane.spiffe.ids import SpiffeId

# The places of the denying and of the allowing grants that reach a caller.
Reached: TypeAlias = tuple[frozenset[int], frozenset[int]]


@dataclass(frozen=True, slots=True)
class CallerClass:
    callers: tuple[SpiffeId, ...]
    before: Reached
    after: Reached


def caller_classes(before: Access, after: Access, known: frozenset[SpiffeId]) -> list[CallerClass]:
    """`known` are named although no grant names them."""
    everyone = _told_apart((*before.deny, *before.allow, *after.deny, *after.allow), known)
    lists = (before.deny, before.allow, after.deny, after.allow)
    spoken = dict.fromkeys(who for grants in lists for grant in grants for who in callers_in(grant.request))
    reached = [_reached(grants, everyone) for grants in lists]
    found: dict[tuple[frozenset[int], ...], list[SpiffeId]] = defaultdict(list)
    for caller in everyone:
        within = frozenset(at for at, who in enumerate(spoken) if who.holds(caller))
        found[(*(frozenset(one[caller]) for one in reached), within)].append(caller)
    return [
        CallerClass(tuple(callers), (places[0], places[1]), (places[2], places[3])) for places, callers in found.items()
    ]


def _told_apart(grants: Sequence[Grant], known: frozenset[SpiffeId]) -> list[SpiffeId]:
    """Every identity that is named, one that is not for every domain, and one of a domain nobody names."""
    spoken = [one for grant in grants for one in (grant.who, *callers_in(grant.request))]
    named = known.union(*(one.ids | one.without for one in spoken))
    domains = frozenset().union(*(one.domains | one.without_domains for one in spoken))
    domains |= {one.trust_domain for one in named}
    return [*sorted(named), *(any_other(domain, named) for domain in sorted(domains)), OUTSIDE]


def _reached(grants: Sequence[Grant], everyone: Sequence[SpiffeId]) -> dict[SpiffeId, list[int]]:
    found: dict[SpiffeId, list[int]] = {caller: [] for caller in everyone}
    for at, grant in enumerate(grants):
        wide = grant.who.domains or grant.who.everyone
        for caller in everyone if wide else grant.who.ids:
            if grant.who.holds(caller):
                found[caller].append(at)
    return found
