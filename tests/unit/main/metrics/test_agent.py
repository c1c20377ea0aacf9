"""The agent's figures, read from a node in virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import NoReturn

from prometheus_client import CollectorRegistry

from tests.kit.clock import VirtualClock
from tests.kit.node_line import AGENT, NODE, away
from tests.unit.flows.node.test_keep_leaves import API, WEB, Bench
from tests.unit.flows.node.test_node_identity import MemoryFile
from tests.unit.flows.node.test_remember_identities import MemoryCache
from tests.unit.flows.roots.test_sidecar_uptake import MemoryFile as HostingMemory
from trustplane.flows.clock_skew import Exchange
from trustplane.flows.feed import Feed
from trustplane.flows.node.clock_watch import ClockWatch
from trustplane.flows.node.cross_check_sidecars import CrossCheckSidecars
from trustplane.flows.node.follow_server import FollowServer, Outbox
from trustplane.flows.node.node_identity import Answer, KeepLink, KeepNodeIdentity
from trustplane.flows.node.node_link import NodeIdentity
from trustplane.flows.node.remember_identities import RememberIdentities
from trustplane.flows.roots.seen_links import MOST_LINKS, SeenLinks
from trustplane.flows.roots.sidecar_uptake import SidecarUptake
from trustplane.keys.leaf import LeafKey
from trustplane.main.agent_health import AgentHealth
from trustplane.main.metrics.agent import Watched, agent_metrics
from trustplane.registry.links import Side
from trustplane.registry.view import NodeView
from trustplane.spiffe.names import NodeName, ServiceName

SECOND = timedelta(seconds=1)


class Node:
    def __init__(self) -> None:
        self.bench = Bench()
        clock: VirtualClock = self.bench.clock
        self.watch = ClockWatch(clock, timedelta)
        self.memory = RememberIdentities(MemoryCache(), clock)
        self.node = KeepNodeIdentity(AGENT, MemoryFile(), self._enrol, LeafKey.generate, clock)
        links = KeepLink([], self._connect, self.node.identity)
        views: Feed[NodeView | None] = self.bench.views
        self.follower = FollowServer(links, views, Outbox(), clock)
        uptake = SidecarUptake(NODE, Outbox(), HostingMemory(), clock)
        checks = CrossCheckSidecars(lambda _: None, uptake, lambda _peer, _admin: None, clock)
        self.links = SeenLinks(NODE, Outbox(), lambda _: WEB.spiffe_id, clock)
        watched = Watched(
            self.node, self.follower, self.bench.keeper, self.memory, self.watch, checks, self.links, clock
        )
        self.registry: CollectorRegistry = agent_metrics(watched)
        name = NodeName("node-a")
        self.health = AgentHealth(name, self.node, self.follower, self.bench.keeper, views, self.memory, self.watch)

    async def _enrol(self, csr: bytes, known: NodeIdentity | None) -> Answer:
        del known
        return self.bench.line.node_identity(csr)

    async def _connect(self, *_: object) -> NoReturn:
        raise AssertionError

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"trustplane_agent_{name}", labels)

    def red(self) -> set[str]:
        return {one.code for one in self.health.red(self.bench.clock.now())}


def test_an_outage_shows_in_every_figure_and_turns_health_red_before_anything_is_lost() -> None:
    async def play() -> None:
        node = Node()
        bench = node.bench
        bench.told(WEB, API)
        await node.node.obtain(Random(7))
        async with bench.running():
            assert node.red() == set()
            assert node.figure("leaves") == 2
            assert node.figure("leaves_without_svid") == 0
            assert node.figure("first_expiry_seconds", of="workloads") == bench.line.life.total_seconds()
            bench.line.down = away()
            await bench.pass_by(0.7 * bench.line.life)
            failed = node.figure("renewals_failed_total", code="server-away")
            assert failed is not None
            assert failed >= 2
            assert node.red() == set(), "there is time"
            assert node.figure("leaves_late") == 0
            await bench.pass_by(0.09 * bench.line.life)
            assert node.figure("leaves_late") == 2
            assert "svids-late" in {one.code for one in node.health.yellow()}
            await bench.pass_by(0.03 * bench.line.life)
            assert "svid-expires-soon" in node.red()
            assert node.figure("leaves_without_svid") == 0, "nothing is lost yet"
            await bench.pass_by(0.2 * bench.line.life)
            assert node.figure("leaves_without_svid") == 2
            assert node.figure("leaves_late") == 2
            assert node.red() == {"svid-missing", "node-svid-expired"}
            first = node.figure("first_expiry_seconds", of="workloads")
            assert first is not None
            assert first < 0
            assert node.figure("server_disconnected_seconds") == (1.02 * bench.line.life).total_seconds()

    asyncio.run(play())


def test_without_identity_and_view_it_is_red_with_both_reasons() -> None:
    assert Node().red() == {"node-without-identity", "no-view"}


def test_clock_and_cache_are_figures_and_reasons_that_are_not_red() -> None:
    node = Node()
    assert node.figure("clock_skew_seconds") is None
    at = node.bench.clock.now()
    node.watch.exchanged(Exchange(at, at + 20 * SECOND, at + 2 * SECOND))
    assert node.figure("clock_skew_seconds") == 19
    assert node.figure("clock_skew_error_seconds") == 1
    assert [one.code for one in node.health.yellow()] == ["clock-behind"]
    assert node.figure("cache_save_failures_total") == 0


def test_links_that_are_told_of_and_sightings_that_are_not_are_figures() -> None:
    node = Node()
    for number in range(MOST_LINKS + 3):
        peer, issuer = f"spiffe://{WEB.spiffe_id.trust_domain}/p{number}", "serialNumber=5f0c,CN=issuing"
        node.links.seen(ServiceName("shop", "web"), Side.CALLER, peer, issuer, 2)
    assert node.figure("links") == MOST_LINKS
    assert node.figure("link_sightings_untold_total") == 6


def test_codes_stay_bounded() -> None:
    node = Node()
    node.bench.keeper.failures.update({f"code-{number}": 1 for number in range(200)})
    codes = [
        sample.labels["code"]
        for metric in node.registry.collect()
        for sample in metric.samples
        if sample.name.endswith("renewals_failed_total")
    ]
    assert len(codes) == 51
    assert node.figure("renewals_failed_total", code="other") == 150
