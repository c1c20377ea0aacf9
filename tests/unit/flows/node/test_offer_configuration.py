"""Each process is offered what it is entitled to, what passed the guards, and at once when that changes."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.generations import Generations
from tests.kit.node_line import Domain, running
from tests.kit.sidecars import ACME, HERE, WEB, keyed
from trustplane.fault import Fault, Refused
from trustplane.flows.feed import Feed
from trustplane.flows.node.offer_configuration import OfferConfiguration
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.policy import document
from trustplane.policy.access import Access
from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.registry.connections import Connections, WhenTrustChanges
from trustplane.registry.model import KeyKind
from trustplane.registry.view import Entry, NodeView, Sidecar, Withdrawn
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds.guards import Published
from trustplane.xds.open_connections import generations_of
from trustplane.xds.resources import Kind

SHOWN = frozenset({Selector("unix:uid", "7"), Selector("unix:gid", "8")})
ENTRY = Entry(WEB.service, WEB.spiffe_id, frozenset({Selector("unix:uid", "7")}), KeyKind.P256, "standard@1")


class Bench:
    def __init__(self) -> None:
        self.domain = Domain()
        self.clock = VirtualClock()
        self.views: Feed[NodeView | None] = Feed(None)
        self.identities = Feed(HeldIdentities.nothing_yet())
        self.held_back: list[str] = []
        self.memory = Generations()
        self.offers = self.begun_anew()

    def begun_anew(self) -> OfferConfiguration:
        """As after a restart of the agent."""
        return OfferConfiguration((self.views, self.identities), HERE, self, self.memory, self.clock)

    def refused(self, service: ServiceName, fault: Fault) -> None:
        assert service == WEB.service
        self.held_back.append(fault.code)

    def candidate_refused(self, service: ServiceName, known_as: str, fault: Fault) -> None:
        assert service == WEB.service
        self.held_back.append(f"{known_as} {fault.code}")

    def tell(self, sidecar: Sidecar = WEB, remake: str = "", candidate: Candidate = NO_CANDIDATE) -> None:
        withdrawn = Withdrawn(remake=remake)
        self.views.publish(NodeView(1, (ENTRY,), (sidecar,), (self.domain.trusted(),), withdrawn, candidate))

    def hold(self, svid: KeyedSvid | None) -> None:
        self.identities.publish(HeldIdentities(((ENTRY, svid),), BundleSet({ACME: self.domain.bundle()})))

    def svid(self) -> KeyedSvid:
        return keyed(self.domain.issuing, WEB.spiffe_id)

    def running(self) -> AbstractAsyncContextManager[object]:
        return running(self.offers.run())

    def sidecar(self) -> Published | None:
        return self.offers.sidecar(SHOWN, str(WEB.service))


def test_a_sidecar_is_offered_its_configuration_once_there_is_an_identity_for_it() -> None:
    async def play() -> None:
        bench = Bench()
        async with bench.running():
            seen = await bench.offers.changed(0)
            assert bench.sidecar() is None
            bench.tell()
            seen = await bench.offers.changed(seen)
            assert bench.sidecar() is None
            bench.hold(bench.svid())
            seen = await bench.offers.changed(seen)
            first = bench.sidecar()
            assert first is not None
            bench.hold(bench.svid())
            await bench.offers.changed(seen)
            assert bench.sidecar() != first

    asyncio.run(play())


def test_a_change_between_looking_and_waiting_is_not_missed() -> None:
    async def play() -> None:
        bench = Bench()
        bench.tell()
        async with bench.running():
            seen = await bench.offers.changed(0)
            bench.hold(bench.svid())
            for _ in range(5):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                assert await bench.offers.changed(seen) > seen

    asyncio.run(play())


def test_what_does_not_pass_the_guards_is_reported_and_what_was_offered_stays() -> None:
    bench = Bench()
    bench.tell()
    bench.hold(bench.svid())
    bench.offers.recompute()
    before = bench.sidecar()
    bench.hold(keyed(Domain().issuing, WEB.spiffe_id))
    bench.offers.recompute()
    assert bench.sidecar() is before
    assert len(bench.held_back) == 1


def judging(bench: Bench) -> bool:
    offer = bench.offers.offered(WEB.service)
    assert offer is not None
    return all("shadow_rules" in str(one.content) for one in offer.of(Kind.EXTENSION).values())


def test_a_candidate_is_offered_until_its_end_although_no_server_says_so() -> None:
    async def play() -> None:
        bench = Bench()
        bench.hold(bench.svid())
        tried = Tried(WEB.service, document.encode(Access((), ())))
        bench.tell(candidate=Candidate("1-00000000", bench.clock.now() + timedelta(seconds=30), (tried,)))
        async with bench.running():
            seen = await bench.offers.changed(1)
            assert judging(bench)
            await bench.clock.advance(timedelta(seconds=30))
            await bench.offers.changed(seen)
            assert not judging(bench)

    asyncio.run(play())


def test_a_candidate_that_cannot_be_offered_takes_nothing_from_what_is_enforced() -> None:
    bench = Bench()
    bench.hold(bench.svid())
    tried = Tried(WEB.service, b"of a later version")
    candidate = Candidate("1-00000000", bench.clock.now() + timedelta(seconds=30), (tried,))
    bench.tell(candidate=candidate)
    bench.offers.recompute()
    assert bench.sidecar() is not None
    assert not judging(bench)
    assert bench.held_back == [f"{candidate.known_as(tried)} policy-document-unreadable"]


def test_a_generation_of_connections_keeps_its_chain_until_it_is_let_go() -> None:
    bench = Bench()
    bench.hold(bench.svid())
    seen: list[str] = []
    for order in ("1", "2", "3"):
        bench.tell(replace(WEB, connections=Connections(None, WhenTrustChanges.DRAIN)), order)
        bench.offers.recompute()
        offer = bench.offers.offered(WEB.service)
        assert offer is not None
        seen.insert(0, generations_of(offer)[0])
        assert (generations_of(offer), bench.offers.order_of(WEB.service)) == (tuple(seen), order)
    bench.offers.let_go(WEB.service, seen[:2])
    offer = bench.offers.offered(WEB.service)
    assert offer is not None
    assert generations_of(offer) == (seen[0], seen[2]), "new connections must get in somewhere"


DRAINING = replace(WEB, connections=Connections(None, WhenTrustChanges.DRAIN))


def test_an_agent_that_is_started_anew_knows_the_chains_that_its_sidecars_have() -> None:
    bench = Bench()
    bench.hold(bench.svid())
    for order in ("1", "2"):
        bench.tell(DRAINING, order)
        bench.offers.recompute()
    before = bench.offers.offered(WEB.service)
    assert before is not None
    bench.hold(None)  # what an agent knows that has only begun
    bench.offers = bench.begun_anew()
    bench.offers.recompute()
    assert bench.offers.offered(WEB.service) is None
    bench.hold(bench.svid())
    bench.offers.recompute()
    again = bench.offers.offered(WEB.service)
    assert again is not None
    assert generations_of(again) == generations_of(before)
    assert again.of(Kind.LISTENER) == before.of(Kind.LISTENER), "a chain that stays byte for byte cuts nobody off"


def test_a_change_of_trust_while_the_agent_was_down_keeps_the_chain_of_before() -> None:
    bench = Bench()
    bench.hold(bench.svid())
    bench.tell(DRAINING, "1")
    bench.offers.recompute()
    (before,) = bench.memory.kept[WEB.service]
    bench.tell(DRAINING, "2")
    bench.offers = bench.begun_anew()
    bench.offers.recompute()
    assert bench.memory.kept[WEB.service][1:] == (before,)
    bench.offers.let_go(WEB.service, [before])
    assert before not in bench.memory.kept[WEB.service], "what is let go of stays so over another restart"


def test_a_service_that_is_gone_from_the_node_is_forgotten() -> None:
    bench = Bench()
    bench.memory.kept = {ServiceName("shop", "gone"): ("f" * 16,)}
    bench.offers = bench.begun_anew()
    bench.tell(DRAINING)
    bench.offers.recompute()
    assert bench.memory.kept == {}


def test_an_offer_that_is_held_back_follows_no_newer_order() -> None:
    bench = Bench()
    bench.tell(remake="1")
    bench.hold(bench.svid())
    bench.offers.recompute()
    bench.tell(remake="2")
    bench.hold(keyed(Domain().issuing, WEB.spiffe_id))
    bench.offers.recompute()
    assert (bench.held_back, bench.offers.order_of(WEB.service)) == (["xds-secret-unfit"], "1")


def test_an_identity_that_is_gone_leaves_what_was_offered() -> None:
    bench = Bench()
    bench.tell()
    bench.hold(bench.svid())
    bench.offers.recompute()
    before = bench.sidecar()
    bench.hold(None)
    bench.offers.recompute()
    assert bench.sidecar() is before is not None


def test_a_sidecar_that_left_the_view_is_offered_nothing_more() -> None:
    bench = Bench()
    bench.tell()
    bench.hold(bench.svid())
    bench.offers.recompute()
    bench.views.publish(NodeView(2, (), (), (bench.domain.trusted(),)))
    bench.offers.recompute()
    with pytest.raises(Refused) as caught:
        bench.sidecar()
    assert caught.value.code == "not-entitled"


@pytest.mark.parametrize(
    ("shown", "name", "code"),
    [
        (frozenset({Selector("unix:uid", "9")}), "shop/web", "not-entitled"),
        (frozenset(), "shop/web", "not-entitled"),
        (SHOWN, "shop/other", "not-entitled"),
        (SHOWN, "x", "bad-name"),
        (SHOWN, "", "bad-name"),
    ],
)
def test_nobody_is_the_sidecar_of_what_it_is_not_entitled_to(shown: frozenset[Selector], name: str, code: str) -> None:
    bench = Bench()
    bench.tell()
    with pytest.raises(Refused) as caught:
        bench.offers.sidecar(shown, name)
    assert caught.value.code == code


def test_an_sds_client_is_offered_its_secrets_alone() -> None:
    bench = Bench()
    assert bench.offers.secrets(SHOWN) is None
    bench.tell()
    assert bench.offers.secrets(SHOWN) is None
    bench.hold(bench.svid())
    found = bench.offers.secrets(SHOWN)
    assert found is not None
    assert str(WEB.spiffe_id) in {one.name for one in found.offer}
    with pytest.raises(Refused) as caught:
        bench.offers.secrets(frozenset({Selector("unix:uid", "9")}))
    assert caught.value.code == "no-identity"


def test_a_node_that_is_told_of_nothing_at_all_makes_its_clients_wait() -> None:
    bench = Bench()
    bench.views.publish(NodeView(1, (), (), ()))
    assert bench.offers.secrets(SHOWN) is None
