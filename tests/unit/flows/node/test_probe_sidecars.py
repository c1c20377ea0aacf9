"""Every sidecar that listens is shown a probe below every new root until it lets it in, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.node_line import ACME, NODE, Domain
from tests.kit.sidecars import keyed
from trustplane.fault import Refused
from trustplane.flows.feed import Feed
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.probe_sidecars import ASK_AGAIN, Door, ProbeSidecars
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.flows.roots.sidecar_uptake import INBOUND, SidecarUptake
from trustplane.registry.model import Ports
from trustplane.registry.view import NodeView, Sidecar
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName, probe_id
from trustplane.spiffe.public_keys import key_id
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds.conversation import Held

WEB = SpiffeId(ACME, ("ns", "shop", "sa", "web"))
SERVICE = ServiceName("shop", "web")
OLD, NEW = Domain(), Domain()
OLD_ROOT, NEW_ROOT = (key_id(one.bundle().x509_authorities[0]) for one in (OLD, NEW))
BOTH = Bundle(ACME, (*OLD.bundle().x509_authorities, *NEW.bundle().x509_authorities))
SIDECAR = Sidecar(SERVICE, WEB, Ports(1, 2), (), (), (), timedelta(seconds=1), timedelta(hours=1))


class NoFile:
    def load(self) -> frozenset[ServiceName]:
        return frozenset()

    def save(self, services: frozenset[ServiceName]) -> None:
        del services


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.identities = Feed(HeldIdentities((), BundleSet.of(OLD.bundle())))
        self.uptake = SidecarUptake(NODE, Outbox(), NoFile(), self.clock)
        self.lets_in: set[str] = {NEW_ROOT}
        self.ordered: list[str] = []
        self.knocks: list[tuple[str, int, SpiffeId]] = []
        self.refuses = False
        views: Feed[NodeView | None] = Feed(NodeView(1, (), (SIDECAR,), ()))
        door = Door(ACME, "192.0.2.1", self.knock)
        self.probes = ProbeSidecars(self.order, (views, self.identities), self.uptake, door, self.clock)

    async def order(self, root: str) -> KeyedSvid:
        self.ordered.append(root)
        if root != NEW_ROOT:
            raise Refused(code="no-root-to-probe", what=root, why="it signs already", fix="wait")
        return keyed(NEW.issuing, probe_id(ACME, NODE))

    async def knock(self, address: str, port: int, identity: KeyedSvid, trusted: Bundle, expected: SpiffeId) -> None:
        assert identity.svid.spiffe_id == probe_id(ACME, NODE)
        assert len(trusted.x509_authorities) == 2
        self.knocks.append((address, port, expected))
        if self.refuses:
            raise Refused(code="probe-refused", what="not let in", why="unknown CA", fix="update it")

    def attach(self) -> None:
        self.uptake.opened(str(SERVICE), managed=True)
        self.uptake.report(str(SERVICE), Held(INBOUND, "d", "d"))

    def trust(self, bundle: Bundle) -> None:
        self.identities.publish(HeldIdentities((), BundleSet.of(bundle)))

    def told(self) -> dict[str, tuple[str, str, str]]:
        found = self.uptake.holdings_of(SERVICE)
        return {one.thing: (one.desired, one.held, one.refusal) for one in found if one.thing != INBOUND}


def play(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Bench())

    asyncio.run(main())


def test_with_one_root_nobody_is_bothered() -> None:
    async def scenario(bench: Bench) -> None:
        bench.attach()
        await bench.probes.look()
        assert (bench.ordered, bench.knocks) == ([], [])

    play(scenario)


def test_a_sidecar_that_lets_the_probe_in_is_asked_once() -> None:
    async def scenario(bench: Bench) -> None:
        bench.attach()
        bench.trust(BOTH)
        for _ in range(3):
            await bench.probes.look()
        assert bench.knocks == [("192.0.2.1", 2, WEB)]
        assert bench.told() == {f"root/{NEW_ROOT}": (NEW_ROOT, NEW_ROOT, "")}
        assert bench.ordered.count(NEW_ROOT) == 1

    play(scenario)


def test_one_that_does_not_is_asked_until_it_does() -> None:
    async def scenario(bench: Bench) -> None:
        bench.attach()
        bench.trust(BOTH)
        bench.refuses = True
        await bench.probes.look()
        assert bench.told() == {f"root/{NEW_ROOT}": (NEW_ROOT, "", "not let in: unknown CA")}
        bench.refuses = False
        await bench.probes.look()
        assert bench.told() == {f"root/{NEW_ROOT}": (NEW_ROOT, NEW_ROOT, "")}
        assert bench.ordered.count(NEW_ROOT) == 1, "its certificate still serves"

    play(scenario)


def test_a_root_that_is_not_to_take_over_is_asked_about_seldom() -> None:
    async def scenario(bench: Bench) -> None:
        bench.attach()
        bench.trust(BOTH)
        for _ in range(3):
            await bench.probes.look()
        assert bench.ordered.count(OLD_ROOT) == 1
        await bench.clock.advance(ASK_AGAIN)
        await bench.probes.look()
        assert bench.ordered.count(OLD_ROOT) == 2

    play(scenario)


def test_a_refusal_is_forgotten_with_its_root_and_a_proof_is_not() -> None:
    async def scenario(bench: Bench) -> None:
        bench.attach()
        bench.trust(BOTH)
        bench.refuses = True
        await bench.probes.look()
        bench.trust(OLD.bundle())
        await bench.probes.look()
        assert bench.told() == {f"root/{NEW_ROOT}": ("", "", "")}
        bench.trust(BOTH)
        bench.refuses = False
        await bench.probes.look()
        bench.trust(NEW.bundle())
        await bench.probes.look()
        assert bench.told() == {f"root/{NEW_ROOT}": (NEW_ROOT, NEW_ROOT, "")}

    play(scenario)


class Elsewhere:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.looks: list[tuple[str, int]] = []
        self.kept: list[tuple[str, ...]] = []

    def wanting(self, root: str) -> bool:
        return root == NEW_ROOT and not self.looks

    async def look(self, root: str, probe: KeyedSvid) -> None:
        assert probe.svid.spiffe_id == probe_id(ACME, NODE)
        self.looks.append((root, len(self.bench.knocks)))

    def forget_all_but(self, roots: Iterable[str]) -> None:
        self.kept.append(tuple(roots))


def test_other_domains_are_asked_before_our_own_proofs_are_told() -> None:
    async def scenario(bench: Bench) -> None:
        elsewhere = Elsewhere(bench)
        door = Door(ACME, "192.0.2.1", bench.knock, elsewhere)
        views: Feed[NodeView | None] = Feed(NodeView(1, (), (SIDECAR,), ()))
        probes = ProbeSidecars(bench.order, (views, bench.identities), bench.uptake, door, bench.clock)
        bench.attach()
        bench.trust(BOTH)
        await probes.look()
        assert (elsewhere.looks, len(bench.knocks)) == ([(NEW_ROOT, 0)], 1)
        bench.trust(NEW.bundle())
        await probes.look()
        assert elsewhere.kept == [(OLD_ROOT, NEW_ROOT), ()]

    play(scenario)


def test_a_sidecar_that_comes_anew_proves_anew() -> None:
    async def scenario(bench: Bench) -> None:
        bench.trust(BOTH)
        await bench.probes.look()
        assert bench.ordered == [], "nobody listens, so nothing is asked for"
        bench.attach()
        await bench.probes.look()
        assert len(bench.knocks) == 1

    play(scenario)
