from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.kit.repository import repository
from tests.kit.server_door import NODE, NOON, certificate
from trustplane.console.attention import Known, Urgency, attention
from trustplane.fault import Finding
from trustplane.flows.clock_skew import Skew
from trustplane.flows.desired.admit_policies import admitted
from trustplane.issuance.outage_budget import outage_budget
from trustplane.issuance.record import RenewalFigures
from trustplane.registry.records import Agent, Holding
from trustplane.registry.uptake import Uptake, uptake
from trustplane.spiffe.names import ServiceName

STATE = admitted(repository(trustdomain="{trust_domain: acme.example, mttd: 2h, mttr: 10m}"))
AGENT = Agent(NODE, "10.0.0.7", "join-token", NOON, 77, NOON + timedelta(hours=1))
CALM = Known(
    at=NOON,
    cannot_issue=(),
    to_be_mended=(),
    budget=outage_budget([certificate(1)], lambda *_: ServiceName("shop", "web")),
    renewals=RenewalFigures(1, 0, 1),
    state=STATE,
    agents=(AGENT,),
    connected={NODE: None},
    uptake=Uptake(held=1),
    change=None,
)


def only(known: Known) -> tuple[Urgency, str]:
    found = attention(known)
    assert len(found) == 1, found
    assert found[0].command or found[0].fix
    return found[0].urgency, found[0].what


def test_a_calm_fleet_needs_nobody() -> None:
    assert attention(CALM) == ()


def test_a_budget_below_the_time_a_repair_takes_is_for_now() -> None:
    urgency, what = only(replace(CALM, at=NOON + timedelta(minutes=55)))
    assert (urgency, what) == (Urgency.NOW, "the outage budget is 5 min, less than the 10 min a repair takes")


def test_an_expired_certificate_is_for_now() -> None:
    urgency, what = only(replace(CALM, at=NOON + timedelta(hours=2)))
    assert (urgency, what) == (Urgency.NOW, "the certificate of shop/web on node-a has expired")


def test_late_renewals_away_nodes_wrong_clocks_and_refusals_are_looked_into() -> None:
    assert only(replace(CALM, renewals=RenewalFigures(3, 2, 0)))[1].startswith("2 certificates are past")
    assert only(replace(CALM, connected={}))[1] == "1 node is away: node-a"
    skew = Skew(timedelta(seconds=-9), timedelta(0), NOON)
    assert only(replace(CALM, connected={NODE: skew}))[1].startswith("1 clock is off")
    refused = Holding(NODE, "sidecar shop/web", "listener", "aa", "", "no such filter", NOON)
    assert only(replace(CALM, uptake=uptake([refused])))[1].startswith("1 thing was refused")


def test_a_banned_node_is_missed_by_nobody() -> None:
    assert attention(replace(CALM, agents=(replace(AGENT, banned=True),), connected={})) == ()


def test_the_worst_comes_first_and_many_names_are_counted() -> None:
    broken = Finding(code="no-authority", what="none is active", why="it expired", fix="restart")
    away = tuple(replace(AGENT, node=type(NODE)(f"node-{number}")) for number in range(9))
    found = attention(replace(CALM, agents=away, connected={}, cannot_issue=(broken,)))
    assert [one.urgency for one in found] == [Urgency.NOW, Urgency.SOON]
    assert found[1].what.endswith("node-4 and 4 more")


def test_an_empty_server_is_told_how_to_begin() -> None:
    found = attention(replace(CALM, state=None, agents=(), connected={}))
    assert [one.command for one in found] == ["trustplane apply DIR", "trustplane server token create NODE"]
