"""Services of other domains that our sidecars call are shown the probe, soon and in bounds, and believed in nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.node_line import ACME, NODE, Domain
from tests.kit.sidecars import keyed
from trustplane.fault import Refused, Unavailable
from trustplane.flows.federation import probe_partners
from trustplane.flows.federation.probe_partners import (
    AGAIN,
    MOST_ENDPOINTS,
    MOST_SERVICES,
    CalledElsewhere,
    ProbePartners,
)
from trustplane.flows.feed import Feed
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.registry.endpoint import Endpoint
from trustplane.registry.model import Ports
from trustplane.registry.partner_probes import Outcome, ShownProbe, shown_probes
from trustplane.registry.view import Callee, NodeView, Sidecar
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName, probe_id
from trustplane.spiffe.x509_svid import KeyedSvid

PARTNER = TrustDomain("partner.example")
THEIRS = Bundle(PARTNER, Domain().bundle().x509_authorities)
ROOT, OTHER_ROOT = "ab" * 20, "cd" * 20
SERVICE = ServiceName("shop", "web")
PROBE = keyed(Domain().issuing, probe_id(ACME, NODE))
SECOND = timedelta(seconds=1)


def api(number: int = 0) -> SpiffeId:
    return SpiffeId(PARTNER, ("ns", "billing", f"api{number:03}"))


def callee(number: int = 0, endpoints: int = 1, service: ServiceName | None = None) -> Callee:
    where = tuple(Endpoint(f"192.0.2.{one}", 20200 + number) for one in range(endpoints))
    return Callee(service, api(number), 1, where, SECOND)


def sidecar(*callees: Callee) -> Sidecar:
    return Sidecar(SERVICE, SpiffeId(ACME, ("web",)), Ports(1, 2), (), callees, (), SECOND, timedelta(hours=1))


class Bench:
    def __init__(self, *callees: Callee) -> None:
        self.clock = VirtualClock()
        self.outbox = Outbox()
        self.says: dict[str, str] = {}  # by address: the code of its refusal
        self.knocks: list[tuple[str, int, SpiffeId]] = []
        self.hangs = False
        self.listening = frozenset({SERVICE})
        self.views: Feed[NodeView | None] = Feed(NodeView(1, (), (sidecar(*callees or (callee(),)),), ()))
        self.identities = Feed(HeldIdentities((), BundleSet.of(THEIRS)))
        called = CalledElsewhere(NODE, self.views, self.identities, lambda: self.listening)
        self.partners = ProbePartners(called, self.outbox, self.knock, self.clock)

    async def knock(self, address: str, port: int, identity: KeyedSvid, trusted: Bundle, expected: SpiffeId) -> None:
        assert (identity, trusted) == (PROBE, THEIRS)
        self.knocks.append((address, port, expected))
        if self.hangs:
            await asyncio.Event().wait()
        code = self.says.get(address)
        if code:
            kind = Unavailable if code == "probe-unanswered" else Refused
            raise kind(code=code, what="not let in", why="unknown ca", fix="fetch it")

    async def look(self) -> None:
        if self.partners.wanting(ROOT):
            await self.partners.look(ROOT, PROBE)

    def told(self) -> list[ShownProbe]:
        return list(shown_probes(self.outbox.holdings))


def play(scenario: Callable[[Bench], Awaitable[None]], *callees: Callee) -> None:
    async def main() -> None:
        await scenario(Bench(*callees))

    asyncio.run(main())


def test_one_that_lets_it_in_is_asked_once() -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(3):
            await bench.look()
            await bench.clock.advance(AGAIN)
        assert bench.knocks == [("192.0.2.0", 20200, api())]
        (one,) = bench.told()
        assert (one.node, one.callee, one.root, one.outcome) == (NODE, api(), ROOT, Outcome.LET_IN)

    play(scenario)


def test_one_that_refuses_is_asked_again_after_a_while_until_it_does_not() -> None:
    async def scenario(bench: Bench) -> None:
        bench.says["192.0.2.0"] = "probe-refused"
        await bench.look()
        await bench.look()
        (one,) = bench.told()
        assert (len(bench.knocks), one.outcome, one.refusal) == (1, Outcome.REFUSED, "not let in: unknown ca")
        bench.says.clear()
        await bench.clock.advance(AGAIN)
        await bench.look()
        assert [each.outcome for each in bench.told()] == [Outcome.LET_IN]

    play(scenario)


@pytest.mark.parametrize(
    "code", ["probe-unanswered", "probe-met-another", "probe-met-stranger", "probe-without-handshake"]
)
def test_who_was_never_asked_has_refused_nothing(code: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.says["192.0.2.0"] = code
        await bench.look()
        assert [(one.outcome, one.refusal) for one in bench.told()] == [(Outcome.NOT_REACHED, "")]

    play(scenario)


def test_one_endpoint_that_refuses_counts_for_the_service_and_one_that_is_silent_does_not() -> None:
    async def scenario(bench: Bench) -> None:
        bench.says["192.0.2.0"] = "probe-unanswered"
        await bench.look()
        assert [one.outcome for one in bench.told()] == [Outcome.LET_IN]
        bench.says["192.0.2.2"] = "probe-refused"
        await bench.partners.look(OTHER_ROOT, PROBE)
        assert {one.root: one.outcome for one in bench.told()}[OTHER_ROOT] is Outcome.REFUSED

    play(scenario, callee(endpoints=3))


def test_who_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_partners, "PATIENCE_SECONDS", 0.01)

    async def scenario(bench: Bench) -> None:
        bench.hangs = True
        await bench.look()
        assert [one.outcome for one in bench.told()] == [Outcome.NOT_REACHED]

    play(scenario)


def test_however_many_are_declared_so_many_are_asked() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.look()
        assert len({expected for _, _, expected in bench.knocks}) == MOST_SERVICES
        assert len(bench.knocks) == MOST_SERVICES * MOST_ENDPOINTS

    play(scenario, *(callee(number, endpoints=9) for number in range(MOST_SERVICES + 9)))


def test_our_own_services_and_those_of_who_does_not_run_here_are_not_asked() -> None:
    async def scenario(bench: Bench) -> None:
        assert not bench.partners.wanting(ROOT)
        bench.views.publish(NodeView(1, (), (sidecar(callee()),), ()))
        assert bench.partners.wanting(ROOT)
        bench.listening = frozenset()
        assert not bench.partners.wanting(ROOT)

    play(scenario, callee(service=ServiceName("shop", "pay")))


def test_without_its_bundle_nobody_can_be_told_from_it() -> None:
    async def scenario(bench: Bench) -> None:
        bench.identities.publish(HeldIdentities.nothing_yet())
        await bench.look()
        assert bench.knocks == []
        assert [one.outcome for one in bench.told()] == [Outcome.NOT_REACHED]

    play(scenario)


def test_what_is_asked_no_more_is_told_of_no_more() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.look()
        await bench.partners.look(OTHER_ROOT, PROBE)
        bench.partners.forget_all_but([ROOT])
        assert [(one.root, one.callee) for one in bench.told()] == [(ROOT, api(0)), (ROOT, api(1))]
        bench.views.publish(NodeView(1, (), (sidecar(callee(1)),), ()))
        bench.partners.forget_all_but([ROOT])
        assert [one.callee for one in bench.told()] == [api(1)]
        bench.partners.forget_all_but([])
        assert bench.told() == []

    play(scenario, callee(0), callee(1))
