"""What needs someone now: every reason the server knows of, the worst first, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from trustplane.console.text import count, span
from trustplane.fault import Finding
from trustplane.flows.clock_skew import Skew
from trustplane.issuance.outage_budget import OutageBudget
from trustplane.issuance.record import RenewalFigures
from trustplane.people.proposal import Phase, Proposal
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Agent
from trustplane.registry.uptake import Uptake
from trustplane.rotation.root_change import RootChange
from trustplane.spiffe.names import NodeName

SKEW_SHOWN = timedelta(seconds=5)
MOST_NAMED = 5
FIRST_DAY = timedelta(days=1)
GLASS_SHOWN = timedelta(days=7)


class Urgency(Enum):
    """How it is written on the page; the words carry it, colour only repeats them."""

    NOW = "act now"
    SOON = "look into it"
    KNOW = "good to know"


@dataclass(frozen=True, slots=True)
class Attention:
    """`fix` is what to do; `command` is to be copied, `runbook` and `page` are links."""

    urgency: Urgency
    what: str
    why: str
    fix: str = ""
    command: str = ""
    runbook: str = ""
    page: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything this is decided from, read at one moment."""

    at: datetime
    cannot_issue: Sequence[Finding]
    to_be_mended: Sequence[Finding]
    budget: OutageBudget
    renewals: RenewalFigures
    state: DesiredState | None
    agents: Sequence[Agent]
    connected: Mapping[NodeName, Skew | None]
    uptake: Uptake
    change: RootChange | None
    proposals: Sequence[Proposal] = ()


def attention(known: Known) -> tuple[Attention, ...]:
    found = (*_issuing(known), *_budget(known), *_nodes(known), *_held(known), *_change(known))
    found = (*found, *_proposals(known), *_beginning(known))
    return tuple(sorted(found, key=lambda one: list(Urgency).index(one.urgency)))


def _issuing(known: Known) -> Iterator[Attention]:
    for one in known.cannot_issue:
        yield _finding(one, Urgency.NOW, "control-plane")
    for one in known.to_be_mended:
        yield _finding(one, Urgency.SOON, "")


def _finding(one: Finding, urgency: Urgency, runbook: str) -> Attention:
    return Attention(urgency, one.what, one.why, fix=one.fix, runbook=runbook, code=one.code)


def _budget(known: Known) -> Iterator[Attention]:
    first, mttr = known.budget.first, known.state.budgets.mttr if known.state else None
    if first is not None and first.at <= known.at:
        yield Attention(
            Urgency.NOW,
            f"the certificate of {first.service} on {first.node} has expired",
            f"it ended {span(known.at - first.at)} ago and no newer one was issued to that node",
            command=f"trustplane explain {first.serial:032x}",
            runbook="expired-certificate",
        )
    elif first is not None and mttr is not None and first.left(known.at) < mttr:
        yield Attention(
            Urgency.NOW,
            f"the outage budget is {span(first.left(known.at))}, less than the {span(mttr)} a repair takes",
            f"if no server could issue now, {first.service} on {first.node} would be the first to fail",
            command="trustplane status",
            runbook="expired-certificate",
        )
    if known.renewals.overdue:
        yield Attention(
            Urgency.SOON,
            f"{count(known.renewals.overdue, 'certificate is', 'certificates are')} past the instant of renewal",
            "a node that is away, or cannot reach a server, does not renew",
            command="trustplane status",
            runbook="expired-certificate",
        )


def _nodes(known: Known) -> Iterator[Attention]:
    away = [one.node.name for one in known.agents if not one.banned and one.node not in known.connected]
    if away:
        yield Attention(
            Urgency.SOON,
            f"{count(len(away), 'node is', 'nodes are')} away: {_named(away)}",
            "no server has a connection from the agent there; what it serves lasts until its leaves end",
            fix="on that node:",
            command="trustplane agent status",
            runbook="control-plane",
            page="/nodes",
        )
    off = [node.name for node, skew in known.connected.items() if skew and abs(skew.offset) >= SKEW_SHOWN]
    if off:
        yield Attention(
            Urgency.SOON,
            f"{count(len(off), 'clock is', 'clocks are')} off by more than {span(SKEW_SHOWN)}: {_named(sorted(off))}",
            "certificates are not valid yet, or no longer, for whoever has another time",
            command="trustplane status",
            runbook="clocks",
            page="/nodes",
        )


def _held(known: Known) -> Iterator[Attention]:
    refused = [f"{one.participant} on {one.node}" for one in known.uptake.otherwise if one.refusal]
    if refused:
        yield Attention(
            Urgency.SOON,
            f"{count(len(refused), 'thing was', 'things were')} refused or is in doubt: {_named(sorted(set(refused)))}",
            "a proxy said no to what it was sent, or what it shows contradicts what it said",
            command="trustplane status",
            runbook="hidden-rejection",
            page="/failures",
        )


def _change(known: Known) -> Iterator[Attention]:
    change = known.change
    if change is None or change.phase.is_over:
        return
    doing = "is paused" if change.is_paused else "goes on"
    yield Attention(
        Urgency.SOON if change.is_paused else Urgency.KNOW,
        f"change of root {change.number} {doing}, in phase {change.phase.value} for {span(known.at - change.since)}",
        change.reason,
        command="trustplane rotate resume" if change.is_paused else "trustplane rotate status",
        page="/trust",
    )


def _proposals(known: Known) -> Iterator[Attention]:
    for one in known.proposals:
        at, what = one.ended_at or one.at, one.act.kind.value
        if one.is_glass_broken and known.at - at < GLASS_SHOWN:
            yield Attention(
                Urgency.NOW if known.at - at < FIRST_DAY else Urgency.SOON,
                f"{one.by} broke the glass {span(known.at - at)} ago, to {what.replace('-', ' ')}",
                f"nobody approved it; the reason given was: {one.why}",
                fix="look at what was done, and why nobody could be asked",
                page=f"/proposals/{one.number}",
            )
        elif one.phase is Phase.FAILED and known.at - at < FIRST_DAY:
            yield Attention(
                Urgency.SOON,
                f"proposal {one.number} to {what.replace('-', ' ')} was approved and failed",
                one.told,
                fix="if it is still meant, propose it again",
                page=f"/proposals/{one.number}",
            )
    waiting = [one for one in known.proposals if one.phase is Phase.PROPOSED]
    if waiting:
        first = min(one.expires_at for one in waiting)
        yield Attention(
            Urgency.SOON,
            f"{count(len(waiting), 'proposal waits', 'proposals wait')} for an approval",
            f"the first expires in {span(first - known.at)}",
            page="/proposals",
        )


def _beginning(known: Known) -> Iterator[Attention]:
    if known.state is None:
        why = "without desired state nobody is entitled to an identity"
        yield Attention(Urgency.KNOW, "no trust repository is applied yet", why, command="trustplane apply DIR")
    if not known.agents:
        why = "identities are served by agents, one on each node"
        command = "trustplane server token create NODE"
        yield Attention(Urgency.KNOW, "no node has joined yet", why, command=command)


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
