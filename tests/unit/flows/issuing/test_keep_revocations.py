"""Over a real store and real keys: what an operator revokes, and what every node is then told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import ACME, NODE, NOON, WEB, RightsTable, authority_keys, leaf_key, profile
from trustplane.fault import Refused
from trustplane.flows.issuing.issue import Issued, IssueX509, Request
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.flows.issuing.keep_revocations import LATE, KeepRevocations, UnlessRevoked
from trustplane.flows.issuing.replace_issuers import ReplaceIssuers
from trustplane.flows.issuing.revoke import Order, Revoke
from trustplane.flows.node.withdrawn import fit_for_proxies, revoked_of
from trustplane.registry.records import Holding
from trustplane.rotation.root_change import Order as RotationOrder
from trustplane.rotation.root_change import begun
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Store
from trustplane.trust.authority import AuthorityKind, AuthorityState
from trustplane.trust.lifecycle import Lifetimes
from trustplane.trust.revocation import Reason

ORDER = Order(Reason.KEY_COMPROMISE, "laptop stolen", "local:eve")
HOUR = timedelta(hours=1)


class Declared:
    def longest_leaf(self) -> timedelta:
        return HOUR

    def service_count(self) -> int:
        return 1

    def service_on(self, node: NodeName, spiffe_id: object) -> object:
        return node, spiffe_id


@dataclass
class Server:
    """What of a server has to do with revoking."""

    store: Store
    clock: VirtualClock
    authorities: KeepAuthorities
    keep: KeepRevocations
    replacing: ReplaceIssuers
    revoke: Revoke
    issuer: IssueX509

    @classmethod
    async def on(cls, store: Store, clock: VirtualClock) -> Server:
        keys = authority_keys()
        authorities = KeepAuthorities(store, keys, Instance(ACME, NodeName("server-1")), Lifetimes(), clock)
        await authorities.start()
        keep = KeepRevocations(store, keys, Declared(), clock)
        replacing = ReplaceIssuers(store, authorities, keep, Declared(), clock)
        rights = UnlessRevoked(RightsTable.of(WEB), keep)
        issuer = IssueX509(store, authorities.x509_signer, rights, profile())
        return cls(store, clock, authorities, keep, replacing, Revoke(store, keep, replacing, clock), issuer)

    async def issued(self) -> Issued:
        (outcome,) = await self.issuer.issue(NODE, [Request(str(WEB), leaf_key().csr())], self.clock.now())
        if not isinstance(outcome, Issued):
            raise outcome
        return outcome

    def issuing(self) -> str:
        return self.authorities.x509_signer().authority.id.hex

    async def events(self) -> list[str]:
        return [json.loads(one.body)["event"] for one in await self.store.audit_entries(0, 1000)]


def play(folder: Path, scenario: Callable[[Server], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock(NOON)
        async with await Store.open(f"sqlite:///{folder / 'store.db'}", clock) as store:
            await scenario(await Server.on(store, clock))

    asyncio.run(main())


def test_a_revoked_certificate_is_denied_and_listed_and_every_ca_has_a_crl(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        issued = await server.issued()
        await server.revoke.certificate(issued.serial, ORDER)
        withdrawn = server.keep.withdrawn.value
        assert [one.spiffe_id for one in withdrawn.certificates] == [WEB]
        revoked = revoked_of(withdrawn)
        assert revoked.finding(issued.svid) is not None
        roots = server.authorities.bundle().x509_authorities
        assert revoked.covers([*issued.svid.chain[1:], *roots])
        assert {serial for crl in revoked.crls for serial in crl.serials} == {issued.serial}
        assert revoked.finding((await server.issued()).svid) is None  # the next one is good

    play(tmp_path, scenario)


def test_what_is_about_to_be_is_written_down_before_and_what_was_after(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        issued = await server.issued()
        before = len(await server.events())
        await server.revoke.certificate(issued.serial, ORDER)
        said = (await server.events())[before:]
        assert (said[0], said[-1]) == ("revocation-intent", "revocation-outcome")
        assert said[1:-1] == ["crl-intent", "crl-outcome"] * 2

    play(tmp_path, scenario)


def test_a_revoked_id_is_issued_to_nobody_until_it_is_lifted(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        first = await server.issued()
        _, had = await server.revoke.identity(WEB, ORDER)
        assert had == 1
        with pytest.raises(Refused) as refused:
            await server.issued()
        assert refused.value.code == "identity-revoked"
        await server.revoke.lift(WEB, "local:eve")
        assert revoked_of(server.keep.withdrawn.value).finding((await server.issued()).svid) is None
        assert revoked_of(server.keep.withdrawn.value).finding(first.svid) is not None
        with pytest.raises(Refused) as refused:
            await server.revoke.lift(WEB, "local:eve")
        assert refused.value.code == "id-not-revoked"

    play(tmp_path, scenario)


def test_a_certificate_that_was_under_way_when_its_id_was_revoked_is_revoked_too(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.revoke.identity(WEB, ORDER)
        other = IssueX509(server.store, server.authorities.x509_signer, RightsTable.of(WEB), profile())
        (late,) = await other.issue(NODE, [Request(str(WEB), leaf_key().csr())], server.clock.now())
        assert isinstance(late, Issued)
        await server.keep.settle()
        assert server.keep.in_force.of_serial(late.serial) is not None

    play(tmp_path, scenario)


def test_revocations_and_crls_go_when_what_they_are_about_has_expired(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        issued = await server.issued()
        await server.revoke.certificate(issued.serial, ORDER)
        await server.clock.advance(HOUR + timedelta(minutes=1))
        await server.keep.settle()
        assert (server.keep.withdrawn.value.certificates, server.keep.withdrawn.value.crls) == ((), ())

    play(tmp_path, scenario)


def test_crls_are_signed_anew_at_half_of_their_life_and_said_to_be_late_when_not(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.revoke.issuer(server.issuing(), ORDER, compromised=True)
        first = server.keep.crls
        await server.clock.advance(HOUR + LATE)
        assert {one.code for one in server.keep.findings()} == {"crl-late"}
        await server.keep.settle()
        assert server.keep.findings() == []
        assert [one.number for one in server.keep.crls] == [one.number + 1 for one in first]

    play(tmp_path, scenario)


def test_an_agent_lets_go_of_crls_before_they_are_stale_and_of_nothing_else(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        issued = await server.issued()
        await server.revoke.certificate(issued.serial, ORDER)
        withdrawn = server.keep.withdrawn.value
        assert fit_for_proxies(withdrawn, NOON + HOUR) == withdrawn
        assert fit_for_proxies(withdrawn, NOON + 2 * HOUR) == replace(withdrawn, crls=())

    play(tmp_path, scenario)


def test_an_authority_is_cut_off_when_its_successors_leaves_are_held_and_not_before(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.issued()
        old = server.authorities.x509_signer().authority
        running = asyncio.ensure_future(server.replacing.run())
        await server.revoke.issuer(old.id.hex[:12], ORDER, compromised=False)
        assert server.issuing() != old.id.hex
        assert [one.key_id for one in server.keep.withdrawn.value.leaving] == [old.id.hex[:40]]
        await server.clock.advance(timedelta(seconds=10))
        assert server.keep.in_force.issuers[0].cut_at is None  # web's newest leaf is still of the old one
        await server.issued()
        holding = Holding(NODE, "sidecar shop/web", "secret/x", "new", "old", "", NOON)
        await server.store.put_holdings([holding])
        await _eventually(server, seconds=10, cut=False)
        await server.store.put_holdings([replace(holding, held="new")])
        await _eventually(server, seconds=10, cut=True)
        assert server.keep.withdrawn.value.issuers
        running.cancel()

    play(tmp_path, scenario)


def test_who_never_renews_does_not_hold_up_the_cut_for_ever(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.issued()
        running = asyncio.ensure_future(server.replacing.run())
        await server.revoke.issuer(server.issuing(), ORDER, compromised=False)
        await _eventually(server, seconds=120, cut=True)
        running.cancel()

    play(tmp_path, scenario)


async def _eventually(server: Server, *, seconds: int, cut: bool) -> None:
    """The store answers from threads, so the clock moves on only when the flow sleeps again."""
    for _ in range(2 * seconds):
        await server.clock.until_sleeping()
        await server.clock.advance(timedelta(seconds=0.5))
    await server.clock.until_sleeping()
    assert (server.keep.in_force.issuers[0].cut_at is not None) == cut


def test_a_compromised_authority_is_cut_off_at_once(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        issued = await server.issued()
        old = server.authorities.x509_signer().authority
        done = await server.revoke.issuer(old.id.hex, ORDER, compromised=True)
        assert done.cut_at is not None
        assert revoked_of(server.keep.withdrawn.value).finding(issued.svid) is not None
        assert revoked_of(server.keep.withdrawn.value).finding((await server.issued()).svid) is None
        states = {each.id: each.state for each in await server.store.authorities()}
        assert states[old.id] is AuthorityState.TAINTED

    play(tmp_path, scenario)


@pytest.mark.parametrize("named", ["", "abc", "f" * 64])
def test_only_an_issuing_authority_in_use_can_be_named(tmp_path: Path, named: str) -> None:
    async def scenario(server: Server) -> None:
        roots = [each.id.hex for each in await server.store.authorities() if each.kind is AuthorityKind.ROOT]
        for each in (named, *roots):
            with pytest.raises(Refused) as refused:
                await server.revoke.issuer(each, ORDER, compromised=False)
            assert refused.value.code == "unknown-issuer"

    play(tmp_path, scenario)


def test_nodes_and_unknown_or_expired_certificates_are_not_revoked(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        node = await server.issuer.issue_node(NODE, leaf_key().csr(), NOON)
        assert isinstance(node, Issued)
        web = await server.issued()
        await server.clock.advance(HOUR)
        for serial, code in (
            (node.serial, "not-a-workload"),
            (1, "unknown-certificate"),
            (web.serial, "certificate-expired"),
        ):
            with pytest.raises(Refused) as refused:
                await server.revoke.certificate(serial, ORDER)
            assert refused.value.code == code

    play(tmp_path, scenario)


def test_the_leaves_below_a_leaving_root_are_asked_back(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        (root,) = [one for one in await server.store.authorities() if one.kind is AuthorityKind.ROOT]
        old = server.authorities.x509_signer().authority
        await server.authorities.stage_root()
        (coming,) = [one for one in await server.store.authorities() if one.state is AuthorityState.STAGED]
        await server.authorities.prepare_below(coming.id)
        await server.authorities.publish_root(coming.id)
        change = await server.store.save_root_change(
            replace(begun(1, root.id, RotationOrder("ann", "yearly"), NOON), coming=coming.id)
        )
        await server.keep.settle()
        assert not server.keep.withdrawn.value.leaving
        assert await server.store.switch_root(change, NOON)
        await server.authorities.settle()
        await server.keep.settle()
        assert [one.key_id for one in server.keep.withdrawn.value.leaving] == [old.id.hex[:40]]
        assert server.authorities.x509_signer().authority.parent == coming.id
        await server.store.retire_root(change, NOON)
        await server.keep.settle()
        assert not server.keep.withdrawn.value.leaving

    play(tmp_path, scenario)
