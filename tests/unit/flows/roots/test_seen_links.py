"""Whom each sidecar meets, and below which issuer: told when it begins and when it ends, and bounded."""

from __future__ import annotations

from tests.kit.clock import VirtualClock
from tests.kit.node_line import NODE
from tests.kit.sidecars import PAY, WEB
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.node_link import HoldingsReport
from trustplane.flows.roots.seen_links import FORGOTTEN_AFTER, MOST_LINKS, QUIET_AFTER, STEP, SeenLinks
from trustplane.registry.links import Side, links
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName

ISSUER = "serialNumber=5f0c,CN=acme.example issuing server-1"
OTHER = "serialNumber=77aa,CN=acme.example issuing server-1"
NAME = f"link {WEB.spiffe_id} -> {PAY.spiffe_id}"


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.outbox = Outbox()
        self.links = SeenLinks(NODE, self.outbox, self.own, self.clock)

    @staticmethod
    def own(service: ServiceName) -> SpiffeId | None:
        return {PAY.service: PAY.spiffe_id, WEB.service: WEB.spiffe_id}.get(service)

    def meets(self, peer: str = str(WEB.spiffe_id), issuer: str = ISSUER) -> None:
        self.links.seen(PAY.service, Side.CALLER, peer, issuer)

    def told(self) -> list[Holding]:
        return [one for report in self.outbox.take() if isinstance(report, HoldingsReport) for one in report.holdings]

    def later(self, seconds: float) -> None:
        self.clock.set_back(-STEP * (seconds / STEP.total_seconds()))
        self.links.look()


def test_a_link_is_told_once_however_often_it_is_seen() -> None:
    bench = Bench()
    for _ in range(1000):
        bench.meets()
    (told,) = bench.told()
    (link,) = links([told])
    assert (link.name, link.side, link.issuer, link.is_seen) == (NAME, "caller", "5f0c", True)
    assert bench.links.seen_requests == 1000


def test_both_sides_of_a_link_have_one_name() -> None:
    bench = Bench()
    bench.meets()
    bench.links.seen(WEB.service, Side.CALLEE, str(PAY.spiffe_id), OTHER)
    assert {(one.name, one.side, one.issuer) for one in links(bench.told())} == {
        (NAME, "caller", "5f0c"),
        (NAME, "callee", "77aa"),
    }


def test_what_is_not_seen_for_a_while_is_quiet_then_seen_again_then_forgotten() -> None:
    bench = Bench()
    bench.meets()
    bench.meets(issuer=OTHER)
    bench.told()
    bench.later(QUIET_AFTER.total_seconds() / 2)
    assert bench.told() == []
    bench.meets()
    bench.later(QUIET_AFTER.total_seconds() / 2)
    assert [(one.issuer, one.is_seen) for one in links(bench.told())] == [("77aa", False)]
    bench.later(QUIET_AFTER.total_seconds())
    bench.meets()
    assert [(one.issuer, one.is_seen) for one in links(bench.told())] == [("5f0c", True)]
    bench.later(FORGOTTEN_AFTER.total_seconds() - QUIET_AFTER.total_seconds())
    assert [(one.issuer, one.is_seen) for one in links(bench.told())] == [("5f0c", False)], "what is left is told anew"
    assert bench.links.links == 1


def test_what_cannot_be_read_is_left_out() -> None:
    bench = Bench()
    for peer, issuer in [
        ("", ISSUER),
        ("-", ISSUER),
        (f"{WEB.spiffe_id},{PAY.spiffe_id}", ISSUER),
        (str(WEB.spiffe_id), "CN=forged\\,serialNumber=5f0c"),
        ("spiffe://partner.example/ns/shop/sa/web", ISSUER),
        (str(WEB.spiffe_id), ""),
        (str(WEB.spiffe_id), "serialNumber=" + "f" * 65),
    ]:
        bench.meets(peer, issuer)
    bench.links.seen(ServiceName("shop", "stranger"), Side.CALLER, str(WEB.spiffe_id), ISSUER)
    assert bench.told() == []


def test_a_flood_of_peers_fills_no_memory() -> None:
    bench = Bench()
    for number in range(MOST_LINKS + 10):
        bench.meets(f"spiffe://acme.example/ns/shop/sa/s{number}")
    assert (bench.links.links, bench.links.untold) == (MOST_LINKS, 10)
