"""Asking who would hold up a change of root: every sidecar once, within bounds, and nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import ACME, NOON, profile
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.roots.ask_readiness import AT_ONCE, LIMIT, AskReadiness, Own, Readiness
from trustplane.flows.roots.survey_trust import Surveyed
from trustplane.main.rehearsals.chains import Root
from trustplane.registry.model import DesiredState, Ports, Service
from trustplane.registry.records import Agent, Hosting
from trustplane.rotation.root_change import Order, Participant, Phase, RootChange, Seen, Survey, begun
from trustplane.rotation.root_gates import Lack
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName, default_id
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.trust.authority import Authority, AuthorityState

NODE = NodeName("node-a")
ROOT = Root(ACME, NOON)
IDENTITY = ROOT.issuer(NOON).leaf(SpiffeId(ACME, ("server",)), profile(), NOON).keyed()
HOLDS = frozenset({ROOT.signer.authority.id})

Words = Callable[[SpiffeId], Awaitable[None]]


def service(name: str) -> Service:
    whole = ServiceName("shop", name)
    return Service(whole, default_id(ACME, whole), (), frozenset(), "standard", ports=Ports(9000, 9001))


async def lets_in(_: SpiffeId) -> None:
    """The sidecar accepts."""


def refusal(kind: type[Refused | Unavailable]) -> Fault:
    return kind(code="probe-refused", what="it said no", why="unknown ca", fix="give it the newest bundle")


@dataclass
class Bench:
    """A node with sidecars, and what each answers."""

    services: Sequence[str] = ("web",)
    answer: Words = lets_in
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))
    identity: KeyedSvid | None = IDENTITY
    changes: Sequence[RootChange] = ()
    is_away: bool = False
    asked: list[tuple[str, int, SpiffeId]] = field(default_factory=list)

    async def authorities(self) -> Sequence[Authority]:
        return [ROOT.signer.authority]

    async def root_changes(self, limit: int) -> Sequence[RootChange]:
        return self.changes[:limit]

    async def agents(self) -> Sequence[Agent]:
        return [Agent(NODE, "192.0.2.7", "join-token", NOON, 1, NOON)]

    async def hosting(self) -> Sequence[Hosting]:
        gone = Hosting(NodeName("node-gone"), ServiceName("shop", "web"), NOON)
        return [gone, *(Hosting(NODE, ServiceName("shop", one), NOON) for one in self.services)]

    async def look(self, change: RootChange | None) -> Surveyed:
        assert change is not None
        assert {change.coming} == HOLDS, "the root of now stands in the place of the one to come"
        seen = tuple(
            Seen(self.sidecar(one), HOLDS, frozenset(), HOLDS, NOON, is_away=self.is_away) for one in self.services
        )
        states = {ROOT.signer.authority.id: AuthorityState.ACTIVE}
        return Surveyed(Survey(states, HOLDS, seen, {}, timedelta(0)), ())

    async def knock(self, host: str, port: int, shown: KeyedSvid, _: Bundle, expected: SpiffeId) -> None:
        assert shown == IDENTITY
        self.asked.append((host, port, expected))
        await self.answer(expected)

    def declared(self) -> DesiredState:
        return DesiredState(ACME, "standard", {}, {}, {ServiceName("shop", one): service(one) for one in self.services})

    @staticmethod
    def sidecar(name: str) -> Participant:
        return Participant(f"sidecar shop/{name} on {NODE}")

    def ask(self) -> Readiness:
        own = Own(lambda: self.identity, lambda: ROOT.bundle, self.declared)
        return asyncio.run(AskReadiness(self, self, own, self.knock, self.clock).ask())


def test_each_sidecar_is_shown_this_servers_identity_where_it_listens() -> None:
    bench = Bench(services=("web", "pay"))
    found = bench.ask()
    assert sorted(bench.asked) == [("192.0.2.7", 9001, service(one).spiffe_id) for one in ("pay", "web")]
    assert (found.let_in, found.participants, found.blocking, found.unreached) == (2, 2, (), ())


def test_who_refuses_it_would_hold_up_a_change() -> None:
    async def refuses(_: SpiffeId) -> None:
        raise refusal(Refused)

    found = Bench(answer=refuses).ask()
    (waiting,) = found.blocking
    assert (waiting.participant, waiting.lack) == (Bench.sidecar("web"), Lack.PROBE)
    assert waiting.refusal == "it said no: unknown ca"
    assert found.let_in == 0


def test_who_cannot_be_reached_is_told_apart_from_who_refuses() -> None:
    async def is_silent(_: SpiffeId) -> None:
        raise refusal(Unavailable)

    found = Bench(answer=is_silent).ask()
    assert found.blocking == ()
    assert [(one.participant, one.why) for one in found.unreached] == [(Bench.sidecar("web"), "it said no: unknown ca")]


def test_who_is_away_would_hold_up_a_change_whatever_its_sidecars_say() -> None:
    (waiting,) = Bench(is_away=True).ask().blocking
    assert (waiting.lack, waiting.is_away) == (Lack.ROOT, True)


def test_not_all_are_asked_at_once_and_not_for_longer_than_people_wait() -> None:
    bench = Bench(services=tuple(f"s{number}" for number in range(AT_ONCE + 5)))
    under_way = most = 0

    async def takes_long(_: SpiffeId) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await bench.clock.advance(LIMIT)
        under_way -= 1

    bench.answer = takes_long
    found = bench.ask()
    assert most <= AT_ONCE
    assert found.let_in < len(bench.services)
    assert found.let_in + len(found.unreached) == len(bench.services)
    assert "20 seconds were not enough" in found.unreached[0].why


def test_amid_a_change_its_own_status_is_the_answer() -> None:
    going = begun(1, ROOT.signer.authority.id, Order("ann", "yearly"), NOON)
    with pytest.raises(Refused, match="was started already"):
        Bench(changes=[going]).ask()
    assert Bench(changes=[replace(going, phase=Phase.DONE)]).ask().let_in == 1


def test_a_server_that_has_nothing_to_show_says_so() -> None:
    with pytest.raises(Unavailable, match="nothing to show"):
        Bench(identity=None).ask()
