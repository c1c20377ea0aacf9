"""Over a real store: what comes of what peers serve, and that none of them is in the way of another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from tests.kit.federating import NODE, OFF, Served, Server
from tests.kit.partner import PARTNER, Partner, federated
from tests.kit.repository import PAYMENTS, WEB, repository
from trustplane.fault import Refused
from trustplane.spiffe import bundle_document
from trustplane.store.store import Store

BAD = Partner.named("contractor.example")
MINUTE = timedelta(minutes=1)


def play(folder: Path, scenario: Callable[[Server], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with await Store.open(f"sqlite:///{folder / 'trustplane.db'}", clock) as store:
            await scenario(await Server.on(store, clock))

    asyncio.run(main())


@pytest.fixture(scope="module")
def partner() -> Partner:
    return Partner()


def test_a_relation_begins_with_the_bundle_that_was_handed_over(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        assert server.peer().bundle == partner.bundle()
        assert server.told() == {"acme.example", "partner.example"}
        assert await server.events() == ["federation-intent begun", "federation-outcome begun"]

    play(tmp_path, scenario)


def test_only_a_node_with_a_service_that_names_the_domain_is_told_of_it(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner, shop__web=WEB, shop__payments=PAYMENTS))
        assert server.told() == {"acme.example"}

    play(tmp_path, scenario)


def test_fe_13_a_fetched_bundle_vouches_for_the_next_fetch(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        newer = Partner()
        server.endpoints.served[PARTNER] = newer.document(2)
        await server.federate.poll(PARTNER)
        assert server.endpoints.trusted[PARTNER] == partner.bundle()
        assert server.peer().bundle == newer.bundle(2)
        await server.federate.poll(PARTNER)
        assert server.endpoints.trusted[PARTNER] == newer.bundle(2)
        assert (await server.events())[2:] == ["federation-intent taken", "federation-outcome taken"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Partner().document(0), "bundle-sequence-went-back"),
        (Partner().document(1), "bundle-sequence-reused"),
        (b'{"keys": [], "spiffe_sequence": 2, "keys": []}', "bad-json"),  # BU-8
        (b'{"spiffe_sequence": 9}', "bad-bundle-document"),  # BU-4: no keys is not an empty array
        (b"", "bad-json"),
        (b"[]", "bad-json"),
        (b"\xff\xfe", "bad-json"),  # FE-9: UTF-8
        (b"[" * 100_000, "bad-json"),
        (BAD.document(2), "bundle-of-another-domain"),
        (OFF, "endpoint-unreachable"),
        (RuntimeError("nobody foresaw it"), "bundle-broke-reader"),
    ],
)
def test_whatever_else_is_served_the_bundle_held_stays(
    tmp_path: Path, partner: Partner, answer: Served, code: str
) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        server.endpoints.served[PARTNER] = answer
        peer = await server.federate.poll(PARTNER)
        assert peer.failure is not None
        assert peer.failure.finding.code == code
        assert peer.bundle == partner.bundle()
        assert server.told() == {"acme.example", "partner.example"}
        assert [one.code for one in server.federate.findings()] == [code]
        assert "federation-intent taken" not in await server.events()

    play(tmp_path, scenario)


def test_bu_4_an_empty_key_set_revokes_the_domain_and_is_said_loudly(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        server.endpoints.served[PARTNER] = b'{"keys": [], "spiffe_sequence": 2}'
        peer = await server.federate.poll(PARTNER)
        assert peer.failure is None
        assert peer.bundle is not None
        assert peer.bundle.vouches_for_nothing
        assert [one.code for one in server.federate.findings()] == ["federated-domain-revoked"]

    play(tmp_path, scenario)


def test_our_own_root_in_a_peers_bundle_is_refused(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        ours = TestCa(PARTNER, server.own.root.certificate, server.own.root.key)
        server.endpoints.served[PARTNER] = Partner(PARTNER, ours).document(2)
        peer = await server.federate.poll(PARTNER)
        assert peer.failure is not None
        assert peer.failure.finding.code == "bundle-of-another-domain"

    play(tmp_path, scenario)


def test_fe_16_ending_a_relation_takes_its_bundle_from_everyone(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        await server.apply(repository())
        assert server.told() == {"acme.example"}
        assert (server.peer().bundle, server.peer().ended_at) == (None, server.clock.now())
        assert (await server.events())[2:] == ["federation-intent ended", "federation-outcome ended"]
        with pytest.raises(Refused) as refused:
            await server.federate.poll(PARTNER)
        assert refused.value.code == "no-relation"

    play(tmp_path, scenario)


def test_a_name_that_comes_back_with_other_roots_is_refused_until_it_is_forgotten(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(Partner()))
        await server.apply(repository())
        impostor = federated(Partner())
        with pytest.raises(Refused) as refused:
            await server.desired.plan(impostor)
        assert refused.value.code == "known-with-another-root"
        await server.federate.forget(PARTNER, "local:ann")
        await server.apply(impostor)
        assert server.peer().bundle is not None
        assert "federation-intent forgotten" in await server.events()

    play(tmp_path, scenario)


def test_forgetting_begins_a_living_relation_anew(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        server.endpoints.served[PARTNER] = partner.document(9)
        await server.federate.poll(PARTNER)
        peer = await server.federate.forget(PARTNER, "local:ann")
        assert peer.bundle == partner.bundle(1)
        server.endpoints.served[PARTNER] = partner.document(3)
        assert (await server.federate.poll(PARTNER)).failure is None
        with pytest.raises(Refused, match="nothing is known"):
            await server.federate.forget(BAD.name, "local:ann")

    play(tmp_path, scenario)


def two_relations(partner: Partner) -> dict[str, bytes]:
    return federated(partner, BAD, domain=f"federation:\n{partner.terms()}{BAD.terms(accepts='[/ns/other/]')}")


@pytest.mark.parametrize("answer", [OFF, RuntimeError("hostile"), b"\x00" * 1000, "hangs"])
def test_a_peer_that_misbehaves_is_in_nobody_elses_way(tmp_path: Path, partner: Partner, answer: Served | str) -> None:
    async def scenario(server: Server) -> None:
        server.endpoints.served[BAD.name] = asyncio.Event() if isinstance(answer, str) else answer
        server.endpoints.served[PARTNER] = partner.document(1)
        await server.apply(two_relations(partner))
        running = asyncio.ensure_future(server.federate.run())
        for sequence in (2, 3, 4):
            server.endpoints.served[PARTNER] = partner.document(sequence)
            while (bundle := server.peer().bundle) is None or bundle.sequence != sequence:
                await asyncio.sleep(0.001)  # the store is real, so its writes take real time
                await server.clock.advance(MINUTE)
        assert server.endpoints.asked.count(BAD.name) >= 1
        assert server.peer(BAD.name).bundle == BAD.bundle()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])

    play(tmp_path, scenario)


def test_a_task_begins_and_ends_with_its_relation(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        server.endpoints.served[PARTNER] = partner.document(2)
        running = asyncio.ensure_future(server.federate.run())
        await server.apply(federated(partner))
        while server.peer().asked_at is None:
            await asyncio.sleep(0.001)
            await server.clock.advance(timedelta(seconds=1))
        await server.apply(repository())
        asked = len(server.endpoints.asked)
        for _ in range(20):
            await asyncio.sleep(0.001)
            await server.clock.advance(MINUTE)
        assert len(server.endpoints.asked) == asked
        running.cancel()
        await asyncio.wait([running])

    play(tmp_path, scenario)


def test_replicas_share_what_one_of_them_fetched(tmp_path: Path, partner: Partner) -> None:
    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        other = await Server.on(server.store, server.clock, "server-2", server.own)
        assert other.peer().bundle == partner.bundle()
        server.endpoints.served[PARTNER] = partner.document(5)
        other.endpoints.served[PARTNER] = partner.document(4)
        await server.federate.poll(PARTNER)
        refused = await other.federate.poll(PARTNER)
        assert refused.failure is not None
        assert refused.failure.finding.code == "bundle-sequence-went-back"
        assert refused.bundle == partner.bundle(5)

    play(tmp_path, scenario)


def test_a_first_bundle_in_the_repository_is_told_without_its_number(tmp_path: Path, partner: Partner) -> None:
    """What only the number changes is pushed to no node."""

    async def scenario(server: Server) -> None:
        await server.apply(federated(partner))
        before = server.desired.views.digest_of(NODE)
        server.endpoints.served[PARTNER] = partner.document(2)
        await server.federate.poll(PARTNER)
        assert server.desired.views.digest_of(NODE) == before
        held = {one.trust_domain: one.document for one in server.desired.views.needs.of(NODE).bundles}
        assert bundle_document.decode(held[PARTNER], PARTNER).sequence is None

    play(tmp_path, scenario)
