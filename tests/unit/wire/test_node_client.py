"""An agent believes only a server of its own trust domain, and every end of a call reaches it as a fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta

import pytest

from tests.kit.ca import p256
from tests.kit.node_channel import Doors
from tests.kit.node_line import ACME, AGENT, NODE
from tests.kit.verdicts import START, kind, tally
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.node.node_link import HoldingsReport, LeafIssued, LeafOrder, Report, ViewHeld
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.registry.parcels import ParcelId
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, probe_id
from trustplane.verdict.delivery import Parcel
from trustplane.wire import proof
from trustplane.wire.node_client import EnrolmentClient, NodeClient, ServerTrust

pytestmark = pytest.mark.network

WEB = SpiffeId(ACME, ("ns", "shop", "sa", "web"))


def csr() -> bytes:
    return LeafKey.generate(KeyKind.P256).csr()


def run(play: Coroutine[object, object, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await play

    asyncio.run(bounded())


async def fault_of(call: Coroutine[object, object, object]) -> Fault:
    with pytest.raises(Fault) as caught:
        await call
    return caught.value


async def silent() -> AsyncIterator[Report]:
    await asyncio.Event().wait()
    yield ViewHeld(0, "")


def test_an_agent_is_issued_leaves_tokens_and_its_own_next_identity() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            doors.enrolled()
            client = await doors.connected_client()
            (leaf,) = await client.issue([LeafOrder(WEB, csr())])
            assert isinstance(leaf, LeafIssued)
            assert leaf.svid.spiffe_id == WEB
            assert doors.issuer.asked[0][0] == NODE
            until = doors.clock.now().replace(microsecond=0)
            await client.issue([LeafOrder(WEB, csr(), until), LeafOrder(WEB, csr())])
            assert [one.held_until for one in doors.issuer.asked[1][1]] == [until, None]
            assert await client.mint(WEB, ["bank"]) == f"{NODE} {WEB} bank"
            svid, _, document = await client.renew_node(csr())
            assert (svid.spiffe_id, document) == (AGENT, doors.domain.document())
            await client.close()

    run(play())


def test_what_proxies_decided_is_received_under_the_name_of_the_node_that_its_certificate_says() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            doors.enrolled()
            client = await doors.connected_client()
            told = ParcelId(NodeName("another-node"), "a" * 32, 7)
            assert await client.deliver(Parcel(told, START, {kind(): tally(3)})) == 7
            (parcel,) = doors.decisions.parcels
            assert (parcel.id, parcel.tallies) == (ParcelId(NODE, "a" * 32, 7), {kind(): tally(3)})
            await client.close()

    run(play())


def test_it_follows_its_view_and_its_reports_arrive() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            doors.enrolled()
            client = await doors.connected_client()
            held = Holding(NODE, "sidecar shop/web", "listener/inbound", "d", "d", "", doors.clock.now())

            async def reports() -> AsyncIterator[Report]:
                yield HoldingsReport((held,), complete=True)
                await asyncio.Event().wait()

            async for update in client.follow("", reports()):
                assert update.whole is not None
                assert update.whole.bundles == (doors.domain.trusted(),)
                assert doors.connected.nodes() == {NODE}
                await doors.nodes.until(lambda nodes: bool(nodes.held))
                assert doors.nodes.held == [held]
                break
            await client.close()

    run(play())


def test_who_has_the_name_but_not_the_id_of_a_server_is_no_server() -> None:
    async def play() -> None:
        doors = Doors()
        doors.identity = doors.server_identity(WEB)
        async with doors.open():
            assert (await fault_of(doors.connected_client())).code == "not-a-server"

    run(play())


def test_who_shows_a_servers_chain_without_its_key_is_no_server() -> None:
    class Impostor(Doors):
        def prove(self, purpose: bytes, nonce: bytes) -> bytes:
            return proof.sign(p256(), purpose, nonce)

    async def play() -> None:
        async with Impostor().open() as doors:
            assert (await fault_of(doors.connected_client())).code == "possession-not-proved"

    run(play())


def test_a_server_under_another_root_is_not_talked_to() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            trust = ServerTrust(Doors().domain.bundle(), doors.clock)
            address = f"127.0.0.1:{doors.node_port}"
            fault = await fault_of(NodeClient.connect(address, doors.agent_identity(), trust, "127.0.0.1", "test"))
            assert isinstance(fault, Unavailable)

    run(play())


def test_a_connection_closed_under_a_call_is_something_to_wait_out_and_cancels_nobody() -> None:
    async def play() -> None:
        doors = Doors()
        reached = asyncio.Event()

        async def hang(*_: object) -> list[object]:
            reached.set()
            await asyncio.Event().wait()
            return []

        doors.issuer.issue = hang  # type: ignore[method-assign, assignment] # a server that does not answer
        async with doors.open():
            doors.enrolled()
            client = await doors.connected_client()
            issuing = asyncio.create_task(fault_of(client.issue([LeafOrder(WEB, csr())])))
            following = asyncio.create_task(fault_of(anext(client.follow("x" * 64, silent()))))
            await reached.wait()
            await client.close()
            assert isinstance(await issuing, Unavailable)
            following.cancel()
            assert isinstance(await fault_of(client.mint(WEB, ["bank"])), Unavailable)
            assert isinstance(await fault_of(client.renew_node(csr())), Unavailable)
            assert isinstance(await fault_of(anext(client.follow("", silent()))), Unavailable)

    run(play())


def test_a_call_that_is_cancelled_by_its_own_task_stays_cancelled() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            doors.enrolled()
            client = await doors.connected_client()
            updates = client.follow("", silent())
            await anext(updates)
            waiting = asyncio.ensure_future(anext(updates))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await client.close()

    run(play())


def test_a_server_that_goes_away_ends_the_stream_with_a_fault() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            doors.enrolled()
            client = await doors.connected_client()
            updates = client.follow("", silent())
            await anext(updates)
        assert isinstance(await fault_of(anext(updates)), Unavailable)
        await client.close()

    run(play())


def enrolment(doors: Doors, port: int | None = None) -> EnrolmentClient:
    trust = ServerTrust(doors.domain.bundle(), doors.clock)
    return EnrolmentClient(f"127.0.0.1:{port or doors.enrolment_port}", trust, "127.0.0.1")


def test_a_node_enrols_with_a_token_once() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            token = await doors.enrol.create_token(NODE, timedelta(hours=1), "ada")
            svid, _, _ = await enrolment(doors).with_token(token.text, csr())
            assert svid.spiffe_id == AGENT
            assert (await fault_of(enrolment(doors).with_token(token.text, csr()))).code == "join-token-spent"

    run(play())


def test_a_node_enrols_with_a_certificate_and_its_key() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            chain, key = doors.site_chain("node-a")
            svid, _, _ = await enrolment(doors).with_certificate(chain, key, csr())
            assert svid.spiffe_id == AGENT
            assert doors.nodes.known[NODE].evidence.startswith("x509pop:")
            fault = await fault_of(enrolment(doors).with_certificate(chain, p256(), csr()))
            assert fault.code == "possession-not-proved"

    run(play())


def test_an_enrolment_door_that_is_shut_is_something_to_wait_out() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            chain, key = doors.site_chain("node-a")
        for call in (enrolment(doors).with_token("tpj_x", csr()), enrolment(doors).with_certificate(chain, key, csr())):
            assert isinstance(await fault_of(call), Unavailable)

    run(play())


def test_a_refused_offer_is_told_as_such() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            other = Doors()
            chain, key = other.site_chain("node-a")
            fault = await fault_of(enrolment(doors).with_certificate(chain, key, csr()))
            assert isinstance(fault, Refused)
            assert fault.code == "node-certificate-refused"

    run(play())


def test_a_probe_is_given_below_a_root_to_come_and_refused_below_any_other() -> None:
    async def play() -> None:
        async with Doors().open() as doors:
            doors.enrolled()
            client = await doors.connected_client()
            assert (await client.probe("ab", csr())).spiffe_id == probe_id(ACME, NODE)
            assert (await fault_of(client.probe("cd", csr()))).code == "no-root-to-probe"
            await client.close()

    run(play())
