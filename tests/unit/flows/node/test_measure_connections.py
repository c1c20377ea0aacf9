"""That connections of before have ended is proven by two looks at Envoy's own figures, and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.node_line import NODE
from tests.kit.sidecars import HERE, WEB, authority, bundles_of, keyed
from trustplane.fault import Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.measure_connections import THING, MeasureConnections
from trustplane.flows.roots.sidecar_uptake import SidecarUptake
from trustplane.registry.connections import Connections, WhenTrustChanges
from trustplane.registry.view import NodeView, Sidecar, Withdrawn
from trustplane.spiffe.names import ServiceName
from trustplane.xds.conversation import Held
from trustplane.xds.open_connections import generations_of
from trustplane.xds.resources import Kind, Offer
from trustplane.xds.snapshot import snapshot

CA = authority()
SVID = keyed(CA, WEB.spiffe_id)
DRAINING = replace(WEB, connections=Connections(None, WhenTrustChanges.DRAIN))
SERVICE = WEB.service
SECOND = timedelta(seconds=1)


class NoFile:
    def load(self) -> frozenset[ServiceName]:
        return frozenset()

    def save(self, services: frozenset[ServiceName]) -> None:
        del services


class Bench:
    """An agent with one sidecar, whose Envoy answers with `figures`, or not at all."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.clock = VirtualClock()
        self.sidecar = sidecar
        self.uptake = SidecarUptake(NODE, Outbox(), NoFile(), self.clock)
        self.views: Feed[NodeView | None] = Feed(None)
        self.gone: list[str] = []
        self.figures: dict[str, int] | None = {}
        self.asked = 0
        self.followed = ""
        self._offer: Offer | None = None
        self.measure = MeasureConnections(self.views, self, self.uptake, self.ask, self.clock)

    def order(self, remake: str) -> None:
        """What the server told, computed and offered."""
        withdrawn = Withdrawn(remake=remake)
        before = generations_of(self._offer) if self._offer else ()
        self.views.publish(NodeView(1, (), (self.sidecar,), (), withdrawn))
        self.followed = withdrawn.order
        self._offer = snapshot(self.sidecar, SVID, bundles_of(CA), HERE, withdrawn, former=before)

    def acknowledge(self, *, but: str = "") -> None:
        self.uptake.opened(str(SERVICE), managed=True)
        for one in self._offer or ():
            thing = f"{one.kind.name.lower()}/{one.name}"
            self.uptake.report(str(SERVICE), Held(thing, one.known_as, "" if thing == but else one.known_as))

    def tell(self, *, before: int) -> None:
        """So many connections of before, and three of now."""
        assert self._offer is not None
        alt = self._offer.of(Kind.CLUSTER)["outbound/shop/pay"].content["alt_stat_name"]
        self.figures = {
            "listener_manager.total_listeners_warming": 0,
            "cluster_manager.warming_clusters": 0,
            f"http.inbound@{generations_of(self._offer)[0]}.downstream_cx_active": 3,
            f"cluster.{alt}.upstream_cx_active": 0,
            "http.inbound.downstream_cx_active": before,
        }

    def offered(self, service: ServiceName) -> Offer | None:
        return self._offer if service == SERVICE else None

    def order_of(self, service: ServiceName) -> str:
        assert service == SERVICE
        return self.followed

    def let_go(self, service: ServiceName, generations: Collection[str]) -> None:
        assert service == SERVICE
        self.gone.extend(generations)

    async def ask(self, service: ServiceName) -> Mapping[str, int]:
        assert service == SERVICE
        self.asked += 1
        if self.figures is None:
            raise Unavailable(code="envoy-figures-unavailable", what="gone", why="gone", fix="wait")
        return self.figures

    async def look(self) -> tuple[str, str] | None:
        """What is then reported: which order, and which one is proven."""
        await self.clock.advance(SECOND)
        await self.measure.look()
        found = next((one for one in self.uptake.holdings_of(SERVICE) if one.thing == THING), None)
        return (found.desired, found.held) if found else None


def play(scenario: Callable[[Bench], Awaitable[None]], sidecar: Sidecar = DRAINING) -> None:
    async def main() -> None:
        await scenario(Bench(sidecar))

    asyncio.run(main())


def test_an_order_that_is_given_again_is_reported_and_proven_as_itself() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        bench.acknowledge()
        bench.tell(before=1)
        assert await bench.look() == ("1", "")
        bench.order("1+2")
        bench.acknowledge()
        bench.tell(before=0)
        assert await bench.look() == ("1", "")
        assert await bench.look() == ("1", "1")

    play(scenario)


def test_an_order_is_proven_by_two_looks_in_a_row_and_then_nobody_is_bothered() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        bench.acknowledge()
        bench.tell(before=2)
        assert await bench.look() == ("1", "")
        bench.tell(before=0)
        assert await bench.look() == ("1", "")
        bench.tell(before=1)
        assert await bench.look() == ("1", ""), "one more was let in meanwhile"
        bench.tell(before=0)
        assert await bench.look() == ("1", "")
        assert await bench.look() == ("1", "1")
        asked = bench.asked
        assert await bench.look() == ("1", "1")
        assert bench.asked == asked

    play(scenario)


def test_a_former_chain_goes_when_that_is_proven() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        first = generations_of(bench.offered(SERVICE) or Offer(()))
        bench.order("2")
        bench.acknowledge()
        bench.tell(before=0)
        await bench.look()
        assert not bench.gone
        await bench.look()
        assert bench.gone == list(first)

    play(scenario)


def test_what_its_proxy_has_not_taken_up_is_not_looked_at() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        bench.acknowledge(but="cluster/outbound/shop/pay")
        bench.tell(before=0)
        for _ in range(3):
            assert await bench.look() == ("1", "")
        assert bench.asked == 0

    play(scenario)


def test_an_envoy_that_does_not_answer_proves_nothing_and_begins_anew() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        bench.acknowledge()
        bench.tell(before=0)
        assert await bench.look() == ("1", "")
        bench.figures = None
        assert await bench.look() == ("1", "")
        bench.tell(before=0)
        assert await bench.look() == ("1", "")
        assert await bench.look() == ("1", "1")

    play(scenario)


def test_a_newer_order_is_not_proven_by_what_proved_the_one_before() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        bench.acknowledge()
        bench.tell(before=0)
        await bench.look()
        assert await bench.look() == ("1", "1")
        bench.order("2")
        assert await bench.look() == ("2", "1")
        bench.acknowledge()
        bench.tell(before=1)
        assert await bench.look() == ("2", "1")

    play(scenario)


def test_an_order_that_no_offer_follows_yet_is_not_proven_by_the_offer_of_before() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        bench.acknowledge()
        bench.tell(before=0)
        await bench.look()
        assert await bench.look() == ("1", "1")
        bench.views.publish(NodeView(2, (), (bench.sidecar,), (), Withdrawn(remake="2")))
        for _ in range(3):
            assert await bench.look() == ("2", "1")

    play(scenario)


def test_who_ends_connections_by_age_reports_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("1")
        bench.acknowledge()
        assert await bench.look() is None
        assert bench.asked == 0

    play(scenario, WEB)


def test_without_an_order_nothing_is_reported() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("")
        bench.acknowledge()
        bench.tell(before=0)
        assert await bench.look() is None

    play(scenario)
