"""The fleet at a glance, as the first page shows it: what needs someone, then what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nsmallest

from trustplane.console.attention import Attention, Known, Urgency, attention
from trustplane.issuance.outage_budget import FirstExpiry, OutageBudget
from trustplane.people.proposal import Phase, Proposal
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Hosting, Revision

MOST_BARS = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """How much is left of the first certificate of a service to end, and how long such a one lives."""

    service: str
    node: str
    serial: int
    at: datetime
    left: timedelta
    lifetime: timedelta | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The soonest first. `mttr`: how long a repair of the issuer may take, if the operator said so."""

    bars: tuple[Bar, ...]
    left_off: int
    mttr: timedelta | None


@dataclass(frozen=True, slots=True)
class Overview:
    at: datetime
    needs: tuple[Attention, ...]
    left: timedelta | None  # the outage budget
    mttr: timedelta | None
    first: FirstExpiry | None
    timeline: Timeline
    living: int
    overdue: int
    issued: int
    services: int
    hosted: int
    agents: int
    connected: int
    banned: int
    held: int
    differing: int
    revisions: tuple[Revision, ...]
    can_issue: bool
    waiting: tuple[Proposal, ...] = ()  # for an approval
    failures: tuple[tuple[datetime, int], ...] = ()  # of handshakes, by the hour

    @property
    def is_calm(self) -> bool:
        return all(one.urgency is Urgency.KNOW for one in self.needs)


def overview(known: Known, revisions: Sequence[Revision], hostings: Sequence[Hosting]) -> Overview:
    first = known.budget.first
    counted = [one for one in known.agents if not one.banned]
    return Overview(
        at=known.at,
        needs=attention(known),
        left=first.left(known.at) if first else None,
        mttr=known.state.budgets.mttr if known.state else None,
        first=first,
        timeline=timeline(known.budget, known.state, known.at),
        living=known.renewals.living,
        overdue=known.renewals.overdue,
        issued=known.renewals.issued,
        services=len(known.state.services) if known.state else 0,
        hosted=len({one.service for one in hostings}),
        agents=len(counted),
        connected=sum(one.node in known.connected for one in counted),
        banned=len(known.agents) - len(counted),
        held=known.uptake.held,
        differing=known.uptake.differing,
        revisions=tuple(revisions),
        can_issue=not known.cannot_issue,
        waiting=tuple(one for one in reversed(known.proposals) if one.phase is Phase.PROPOSED),
    )


def timeline(budget: OutageBudget, state: DesiredState | None, at: datetime, most: int = MOST_BARS) -> Timeline:
    ends = nsmallest(most, budget.services.values(), key=lambda one: (one.at, one.service))
    bars = tuple(
        Bar(str(one.service), one.node.name, one.serial, one.at, one.left(at), _lifetime(state, one)) for one in ends
    )
    return Timeline(bars, len(budget.services) - len(bars), state.budgets.mttr if state else None)


def _lifetime(state: DesiredState | None, expiry: FirstExpiry) -> timedelta | None:
    service = state.services.get(expiry.service) if state else None
    profile = state.profiles.get(service.profile) if state and service else None
    return profile.lifetime if profile else None
