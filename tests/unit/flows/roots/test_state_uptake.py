"""What we state about a partner's bundle: who here does not provably hold it, counted, signed and put on record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.federating import NODE, Server
from tests.kit.issuing_ports import ACME, MemoryAuthority
from tests.kit.partner import PARTNER, Partner, federated
from trustplane.fault import Refused, Unavailable
from trustplane.flows.issuing.signer import Signer
from trustplane.flows.roots.federation_uptake import peers_digest
from trustplane.flows.roots.state_uptake import LIFE, LOOK_EVERY, StateUptake, Trusted
from trustplane.registry.records import Agent, Holding
from trustplane.registry.view import NodeView
from trustplane.spiffe.bundle import Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.store import Store
from trustplane.trust.authority import AuthorityId, AuthorityKind
from trustplane.trust.bundles import kid_of
from trustplane.trust.statement import Statement, verified

SECOND = timedelta(seconds=1)
PAY = ServiceName("shop", "payments")


@dataclass
class Bench:
    server: Server
    clock: VirtualClock
    signer: Signer
    stating: StateUptake = field(init=False)

    def __post_init__(self) -> None:
        self.stating = StateUptake(self.server.store, self.trusted, self.meant, lambda: self.signer, self.clock)

    def trusted(self) -> Trusted:
        held = {name: one.bundle for name, one in self.server.federate.peers.value.items() if one.bundle}
        return Trusted(self.server.own.bundle(), held)

    def meant(self, node: NodeName) -> tuple[NodeView, str]:
        views = self.server.desired.views
        return views.needs.of(node), views.digest_of(node)

    async def stated(self) -> Statement:
        document = await self.stating.about(PARTNER)
        keys = (JwtAuthority(kid_of(self.signer.authority), self.signer.authority.public_key),)
        return verified(document, Bundle(ACME, (), keys), PARTNER, self.clock.now())

    async def enrol(self) -> None:
        await self.server.store.put_agent(Agent(NODE, "192.0.2.1", "join-token", self.clock.now(), 1, self.clock.now()))

    async def hold(self, participant: str, thing: str, held: str, desired: str = "") -> None:
        one = Holding(NODE, participant, thing, desired or held, held, "", self.clock.now())
        await self.server.store.put_holdings([one])

    async def agent_holds(self) -> None:
        await self.hold("node", "view", self.meant(NODE)[1])

    async def pay_holds(self) -> None:
        view = self.server.desired.views.needs.of(NODE)
        pay = next(one for one in view.sidecars if one.service == PAY)
        bundles = BundleSet.of(self.server.own.bundle(), *self.trusted().others.values())
        await self.hold("sidecar shop/payments", "secret/peers", peers_digest(pay, bundles))

    async def looked_again(self) -> Statement:
        await self.clock.advance(LOOK_EVERY)
        return await self.stated()


def jwt_signer(name: str) -> Signer:
    made = MemoryAuthority.at(VirtualClock().now())
    authority = replace(made.issuing, id=AuthorityId(name * 64), kind=AuthorityKind.JWT, certificate=None)
    return Signer(authority, made.key)


def play(folder: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with await Store.open(f"sqlite:///{folder / 'trustplane.db'}", clock) as store:
            server = await Server.on(store, clock)
            await server.apply(federated(Partner()))
            await scenario(Bench(server, clock, jwt_signer("a")))

    asyncio.run(main())


def test_whoever_was_never_heard_of_is_behind_and_who_holds_it_is_not(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.stated()).behind == 0, "there is nobody yet"
        await bench.enrol()
        await bench.server.store.put_hosting(NODE, {PAY}, bench.clock.now())
        assert (await bench.looked_again()).behind == 2, "the agent and its sidecar have said nothing"
        await bench.agent_holds()
        assert (await bench.looked_again()).behind == 1
        await bench.hold("sidecar shop/payments", "secret/peers", "0" * 64)
        assert (await bench.looked_again()).behind == 1
        await bench.pay_holds()
        stated = await bench.looked_again()
        held = bench.trusted().others[PARTNER]
        assert (stated.behind, stated.sequence, stated.digest) == (0, held.sequence, held.digest)
        assert stated.proves(held)

    play(tmp_path, scenario)


def test_a_node_that_was_not_yet_told_of_the_newest_bundle_proves_nothing(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.enrol()
        await bench.agent_holds()
        assert (await bench.stated()).behind == 0
        newer = Partner().bundle(2)
        old = bench.server.federate.peers.value
        bench.server.federate.peers.publish({PARTNER: replace(old[PARTNER], bundle=newer)})
        stated = await bench.looked_again()
        assert (stated.digest, stated.behind) == (newer.digest, 1)

    play(tmp_path, scenario)


def test_nothing_is_stated_about_who_has_no_relation(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        for name in ("stranger.example", str(ACME)):
            with pytest.raises(Refused, match="nothing-stated"):
                await bench.stating.about(TrustDomain(name))

    play(tmp_path, scenario)


def test_asking_often_costs_one_look_and_one_signature(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        first = await bench.stating.about(PARTNER)
        reads = bench.server.store.counts
        before = reads.statements
        many = await asyncio.gather(*(bench.stating.about(PARTNER) for _ in range(50)))
        assert set(many) == {first}
        assert reads.statements == before, "the database was not asked"
        for _ in range(int(LIFE / LOOK_EVERY / 2) - 1):
            await bench.clock.advance(LOOK_EVERY)
            assert await bench.stating.about(PARTNER) == first
        await bench.clock.advance(LOOK_EVERY * 2)
        assert await bench.stating.about(PARTNER) != first, "renewed at half its life"

    play(tmp_path, scenario)


def test_another_key_signs_anew_and_none_signs_beyond_its_end(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        first = await bench.stating.about(PARTNER)
        bench.signer = jwt_signer("b")
        assert await bench.stating.about(PARTNER) != first
        ends = bench.clock.now() + timedelta(minutes=1)
        signer = jwt_signer("c")
        bench.signer = replace(signer, authority=replace(signer.authority, not_after=ends))
        assert (await bench.looked_again()).expires_at <= ends
        await bench.clock.advance(timedelta(minutes=2))
        with pytest.raises(Unavailable, match="jwt-authority-out-of-time"):
            await bench.stated()

    play(tmp_path, scenario)


def test_the_intent_is_on_record_before_the_key_is_used_and_the_outcome_after(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.stated()
        found = [json.loads(one.body) for one in await bench.server.store.audit_entries(0, 1000)]
        told = [(one["event"], one["behind"]) for one in found if one.get("step") == "stated"]
        assert told == [("federation-intent", 0), ("federation-outcome", 0)]

    play(tmp_path, scenario)
