"""What the fleet holds is compared with what was issued and published, not with what agents meant."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

from tests.kit.ca import TestCa
from tests.kit.server_door import ACME, NODE, NOON, WEB, certificate
from trustplane.flows.roots.fleet_uptake import FleetUptake, Newest, Share, fleet_uptake
from trustplane.flows.roots.survey_trust import Published
from trustplane.registry.clusters import Cluster, Clusters, NamePattern
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent, Holding
from trustplane.registry.view import Withdrawn
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.names import ClusterName

EAST = ClusterName("east")
BUNDLE = Bundle(ACME, (TestCa.root(ACME).certificate,), sequence=1)
PUBLISHED = Published(
    BUNDLE, Withdrawn(), timedelta(0), clusters=Clusters({EAST: Cluster(EAST, (NamePattern("node-*"),))})
)
AGENT = Agent(NODE, "192.0.2.1", "join-token", NOON, 1, NOON + timedelta(hours=1))
LEAF = replace(certificate(2), leaf=b"the newest", issued_at=NOON)
DIGEST = hashlib.sha256(b"the newest").hexdigest()
BEFORE = NOON - timedelta(hours=1)
THERE = Attendance(frozenset({NODE}))


def holding(thing: str, held: str, refusal: str = "", desired: str = "d") -> Holding:
    return Holding(NODE, "sidecar shop/web", thing, desired, held, refusal, BEFORE)


def seen(*holdings: Holding, agent: Agent = AGENT, attendance: Attendance = THERE) -> FleetUptake:
    return fleet_uptake(holdings, [agent], Newest.of([LEAF]), PUBLISHED, attendance)


def test_a_leaf_is_stale_since_the_newer_one_was_issued() -> None:
    assert seen(holding(f"secret/{WEB}", DIGEST)).leaves == {"east": Share(1, 0, None)}
    assert seen(holding(f"secret/{WEB}", "of the one before")).leaves == {"east": Share(1, 1, NOON)}
    assert seen(holding(f"secret/{WEB}", "")).leaves == {}, "nothing is served yet"
    assert seen(holding("secret/spiffe://acme.example/stranger", "x")).leaves == {}


def test_a_bundle_is_behind_whatever_its_agent_meant() -> None:
    old = holding("bundle", "old", desired="old")
    held = [holding("bundle", BUNDLE.x509_digest), holding(f"secret/{ACME.id}", BUNDLE.digest), old]
    assert seen(*held).bundles == {"east": Share(3, 1, BEFORE)}
    assert seen(holding("secret/ROOTCA", "", desired="")).bundles == {}, "let go of"


def test_refusals_are_counted_by_kind_and_doubts_by_why() -> None:
    told = [
        holding("listener/inbound", "", "no such field"),
        holding("\x1b[31m", "", "no such thing"),
        holding("proxy/xds", "", "listens no more"),
        holding(f"proxy/secret/{WEB}", "", "shows another"),
        holding("proxy/bundle", "b"),
    ]
    found = seen(*told)
    assert found.refused == {"listener": 1, "cluster": 0, "route": 0, "secret": 0, "other": 1}
    assert found.doubts == {"silent": 1, "contradicts": 1}


def test_agents_are_away_since_they_left_and_evicted_ones_do_not_count() -> None:
    away = Attendance(frozenset(), {NODE: BEFORE})
    assert seen(attendance=THERE).agents == {"east": Share(1, 0, None)}
    assert seen(attendance=away).agents == {"east": Share(1, 1, BEFORE)}
    assert seen(attendance=Attendance()).agents == {"east": Share(1, 1, NOON)}, "it never came"
    banned = seen(holding("bundle", "old"), agent=replace(AGENT, banned=True))
    assert (banned.agents, banned.bundles) == ({}, {})
