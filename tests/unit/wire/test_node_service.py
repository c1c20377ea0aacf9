"""What a server's doors for agents let in, and what they answer to everything else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.kit.ca import p256, pkcs8
from tests.kit.node_channel import Doors
from tests.kit.node_line import ACME, AGENT, NODE, away
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName, agent_id
from trustplane.wire import node_reports, node_service, proof
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc
from trustplane.wire.grpc_status import fault_of

pytestmark = pytest.mark.network

HELLO = node_pb2.Report(hello=node_pb2.Hello(agent_version="test", address="127.0.0.1"))


def csr() -> bytes:
    return LeafKey.generate(KeyKind.P256).csr()


def run(play: Callable[[Doors], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60), Doors().open() as doors:
            doors.enrolled()
            await play(doors)

    asyncio.run(bounded())


async def answered(call: Coroutine[object, object, object]) -> tuple[grpc.StatusCode, str]:
    """The status that call ends in, and the code of the fault with it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), fault_of(caught.value).code


async def greeted(channel: grpc.aio.Channel) -> object:
    async with channel:
        return await node_pb2_grpc.NodeStub(channel).Greet(node_pb2.Greeting(nonce=bytes(32)), timeout=20)


async def ordered(channel: grpc.aio.Channel, orders: int = 1) -> node_pb2.X509Results:
    async with channel:
        order = node_pb2.X509Order(spiffe_id=f"spiffe://{ACME}/ns/shop/sa/web", csr=csr())
        return await node_pb2_grpc.NodeStub(channel).IssueX509(node_pb2.X509Orders(orders=[order] * orders), timeout=20)


class Stream:
    """A Follow call as a test speaks it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._call = node_pb2_grpc.NodeStub(channel).Follow()

    async def say(self, *reports: node_pb2.Report) -> None:
        for report in reports:
            await self._call.write(report)

    async def heard(self) -> node_pb2.Update:
        update = await self._call.read()
        assert isinstance(update, node_pb2.Update)
        return update

    async def end(self) -> tuple[grpc.StatusCode, str]:
        async def until_over() -> None:
            while isinstance(await self._call.read(), node_pb2.Update):
                pass
            raise AssertionError

        return await answered(until_over())


def holdings(*participants: str, gone: Sequence[str] = (), complete: bool = False) -> node_pb2.Report:
    held = [node_pb2.Holding(participant=one, thing="listener/inbound", held="d", desired="d") for one in participants]
    return node_pb2.Report(holdings=node_pb2.Holdings(holdings=held, gone=gone, complete=complete))


@pytest.mark.parametrize(
    ("spiffe_id", "code"),
    [
        (SpiffeId(ACME, ("ns", "shop", "sa", "web")), "not-an-agent"),
        (SpiffeId(ACME, ("trustplane", "server", "s1")), "not-an-agent"),
        (agent_id(ACME, NodeName("node-z")), "agent-unknown"),
    ],
)
def test_only_enrolled_agents_are_issued_anything(spiffe_id: SpiffeId, code: str) -> None:
    async def play(doors: Doors) -> None:
        found = await answered(ordered(doors.agent_channel(doors.agent_identity(spiffe_id))))
        assert found == (grpc.StatusCode.PERMISSION_DENIED, code)
        assert doors.issuer.asked == []

    run(play)


@pytest.mark.parametrize(
    ("uris", "code"),
    [
        ([f"spiffe://{ACME}/trustplane/agent/node-a", f"spiffe://{ACME}/trustplane/agent/node-b"], "no-spiffe-id"),
        ([f"spiffe://{ACME}/trustplane/agent/node-a", "https://x.example"], "no-spiffe-id"),
        ([], "no-spiffe-id"),
        (["https://acme.example/trustplane/agent/node-a"], "no-spiffe-id"),
        (["spiffe://other.example/trustplane/agent/node-a"], "foreign-agent"),
    ],
)
def test_a_certificate_of_ours_without_one_id_of_ours_is_nobodys(uris: list[str], code: str) -> None:
    async def play(doors: Doors) -> None:
        chain, key = doors.domain.issuing.leaf_chain("/x", uris=uris, dns=("x.example",))
        pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
        channel = doors.channel(pem, _key_pem(pkcs8(key)))
        assert await answered(ordered(channel)) == (grpc.StatusCode.PERMISSION_DENIED, code)

    run(play)


def _key_pem(der: bytes) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"


def test_a_banned_agent_is_told_so_at_every_call() -> None:
    async def play(doors: Doors) -> None:
        doors.nodes.ban(NODE)
        assert await answered(ordered(doors.agent_channel())) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "agent-banned",
        )
        async with doors.agent_channel() as channel:
            stub = node_pb2_grpc.NodeStub(channel)
            renewal = node_pb2.NodeRenewal(csr=csr(), address="127.0.0.1")
            assert (await answered(_awaited(stub.RenewNode(renewal, timeout=20))))[1] == "agent-banned"
            stream = Stream(channel)
            await stream.say(HELLO)
            assert (await stream.end())[1] == "agent-banned"
        assert doors.connected.nodes() == frozenset()

    run(play)


async def _awaited(call: Awaitable[object]) -> object:
    return await call


def test_a_node_renews_itself_whatever_its_message_says() -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            renewal = node_pb2.NodeRenewal(csr=csr(), address="10.0.0.9")
            answer = await node_pb2_grpc.NodeStub(channel).RenewNode(renewal, timeout=20)
            leaf = x509.load_der_x509_certificate(answer.chain[0])
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert names.get_values_for_type(x509.UniformResourceIdentifier) == [str(AGENT)]
            assert doors.nodes.known[NODE].address == "10.0.0.9"

    run(play)


@pytest.mark.parametrize("address", ["", "db.example", "0.0.0.0", "::", "224.0.0.1", "127.0.0.1:80", " 10.0.0.1"])  # noqa: S104 - refused
def test_an_address_that_would_spoil_its_callers_proxies_is_refused(address: str) -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            renewal = node_pb2.NodeRenewal(csr=csr(), address=address)
            call = node_pb2_grpc.NodeStub(channel).RenewNode(renewal, timeout=20)
            assert (await answered(_awaited(call)))[1] == "bad-node-address"

    run(play)


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
def test_a_nonce_of_another_size_is_not_signed(nonce: bytes) -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            call = node_pb2_grpc.NodeStub(channel).Greet(node_pb2.Greeting(nonce=nonce), timeout=20)
            assert (await answered(_awaited(call)))[1] == "message-too-large"

    run(play)


def test_more_orders_than_are_taken_in_one_call_are_refused() -> None:
    async def play(doors: Doors) -> None:
        too_many = ordered(doors.agent_channel(), node_service.MAX_ORDERS + 1)
        assert (await answered(too_many))[1] == "message-too-large"
        assert doors.issuer.asked == []

    run(play)


def test_a_ban_ends_the_stream_at_once_with_its_reason() -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(HELLO)
            await stream.heard()
            assert doors.connected.nodes() == {NODE}
            doors.nodes.ban(NODE)
            doors.connected.cut(NODE)
            assert await stream.end() == (grpc.StatusCode.PERMISSION_DENIED, "agent-banned")

    run(play)


def test_a_stream_that_is_cut_without_a_ban_may_come_again() -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(HELLO)
            await stream.heard()
            doors.connected.cut(NODE)
            assert await stream.end() == (grpc.StatusCode.UNAVAILABLE, "stream-cut")

    run(play)


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([holdings("x")], "agent-out-of-turn"),
        ([HELLO, node_pb2.Report(hosting=node_pb2.Hosting(services=["x"]))], "bad-name"),
        ([HELLO, holdings(*map(str, range(node_reports.MAX_HOLDINGS + 1)))], "message-too-large"),
        ([HELLO, node_pb2.Report(hosting=node_pb2.Hosting(services=["a/b"] * 10_001))], "message-too-large"),
    ],
)
def test_a_report_that_cannot_be_taken_ends_the_stream_with_the_reason(
    reports: list[node_pb2.Report], code: str
) -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(*reports)
            assert (await stream.end())[1] == code
        assert doors.nodes.held == []

    run(play)


def test_many_reports_do_not_fill_a_store_that_one_may_not() -> None:
    async def play(doors: Doors) -> None:
        half = node_reports.MAX_HOLDINGS // 2 + 1
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(HELLO, *(holdings(*(f"{part} {one}" for one in range(half))) for part in ("a", "b")))
            assert (await stream.end())[1] == "message-too-large"
        assert len(doors.nodes.held) == half

    run(play)


def test_a_store_that_is_away_ends_the_stream_for_now() -> None:
    async def play(doors: Doors) -> None:
        doors.nodes.down = away()
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(HELLO, holdings("sidecar shop/web"))
            assert await stream.end() == (grpc.StatusCode.UNAVAILABLE, "server-away")

    run(play)


def test_bytes_that_are_no_report_are_the_agents_fault() -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:

            async def garbage() -> AsyncIterator[bytes]:
                yield HELLO.SerializeToString()
                yield b"\xff\xff\xff"
                await asyncio.Event().wait()

            follow: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
                "/trustplane.node.v1.Node/Follow"
            )
            call = follow(garbage())
            await call.read()
            found = await answered(_awaited(call.read()))
            assert found == (grpc.StatusCode.INVALID_ARGUMENT, "bad-request-message")

    run(play)


def test_a_stream_that_is_closed_before_its_first_word_is_out_of_turn() -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            call = node_pb2_grpc.NodeStub(channel).Follow()
            await call.done_writing()
            assert (await answered(_awaited(call.read())))[1] == "agent-out-of-turn"

    run(play)


def test_reports_are_kept_under_the_node_of_the_certificate() -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            hosting = node_pb2.Report(hosting=node_pb2.Hosting(services=["shop/web"]))
            held = node_pb2.Report(acknowledgement=node_pb2.Acknowledgement(number=1, view_digest="d" * 99))
            await stream.say(HELLO, hosting, held)
            await doors.nodes.until(lambda nodes: bool(nodes.held))
            (own,) = doors.nodes.held
            assert (own.node, own.participant, own.thing, own.held) == (NODE, f"agent {NODE}", "view", "d" * 64)
            assert doors.nodes.hosted == [frozenset({ServiceName("shop", "web")})]

    run(play)


def test_complete_means_all_that_this_stream_named_in_however_many_reports() -> None:
    async def play(doors: Doors) -> None:
        at = doors.clock.now()
        stale = [Holding(NODE, one, "t", "d", "d", "", at) for one in ("one", "gone", f"agent {NODE}")]
        other = Holding(NodeName("node-b"), "gone", "t", "d", "d", "", at)
        doors.nodes.held = [*stale, other]
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(HELLO, holdings("one"), holdings("two"), holdings("three", complete=True))
            await doors.nodes.until(lambda nodes: any(one.participant == "three" for one in nodes.held))
            named = {(one.participant, one.thing) for one in doors.nodes.held if one.node == NODE}
            live = {(one, "listener/inbound") for one in ("one", "two", "three")}
            assert named == {*live, (f"agent {NODE}", "t")}, "what one held before is gone like whoever is gone"
            assert other in doors.nodes.held

    run(play)


def test_a_participant_that_is_gone_is_dropped_but_no_agent_drops_its_own_word() -> None:
    async def play(doors: Doors) -> None:
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(HELLO, holdings("one"), holdings("two", gone=["one", f"agent {NODE}"]))
            await doors.nodes.until(lambda nodes: bool(nodes.dropped))
            assert doors.nodes.dropped == [("one",)]

    run(play)


def test_an_agent_that_comes_back_at_another_address_is_reached_there_from_now_on() -> None:
    async def play(doors: Doors) -> None:
        doors.enrolled(address="10.0.0.1")
        written = len(doors.nodes.journal)
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            await stream.say(HELLO)
            await stream.heard()
            assert doors.nodes.known[NODE].address == "127.0.0.1"
            assert len(doors.nodes.journal) == written + 1

    run(play)


class Offer:
    """An enrolment by certificate, step by step."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def ended(self, chain: Sequence[bytes], signed: Callable[[bytes], bytes]) -> tuple[grpc.StatusCode, str]:
        async with self._doors.channel(None, None, self._doors.enrolment_port) as channel:
            call = node_pb2_grpc.EnrolmentStub(channel).EnrolWithCertificate(timeout=20)
            offer = node_pb2.CertificateOffer(chain=chain, csr=csr(), address="127.0.0.1")
            await call.write(node_pb2.CertificateEnrolment(offer=offer))
            reply = await call.read()
            assert isinstance(reply, node_pb2.CertificateEnrolmentReply)
            await call.write(node_pb2.CertificateEnrolment(signature=signed(reply.challenge)))
            return await answered(_awaited(call.read()))


def test_possession_is_of_that_key_now_and_for_this_purpose() -> None:
    async def play(doors: Doors) -> None:
        chain, key = doors.site_chain("node-a")
        old: list[bytes] = []

        def replayed(challenge: bytes) -> bytes:
            old.append(proof.sign(key, proof.NODE_CERTIFICATE, challenge))
            return old[0] if len(old) > 1 else b""

        for signed in (
            lambda challenge: proof.sign(p256(), proof.NODE_CERTIFICATE, challenge),
            lambda challenge: proof.sign(key, proof.GREETING, challenge),
            replayed,
            replayed,
        ):
            found = await Offer(doors).ended(chain, signed)
            assert found == (grpc.StatusCode.FAILED_PRECONDITION, "possession-not-proved")
        assert len(old) == 2

    run(play)


def test_a_token_is_spent_also_when_what_it_was_to_pay_for_is_refused() -> None:
    async def play(doors: Doors) -> None:
        token = await doors.enrol.create_token(NODE, timedelta(hours=1), "ada")
        async with doors.channel(None, None, doors.enrolment_port) as channel:
            stub = node_pb2_grpc.EnrolmentStub(channel)
            bad = node_pb2.TokenEnrolment(token=token.text, csr=b"x", address="127.0.0.1")
            assert (await answered(_awaited(stub.EnrolWithToken(bad, timeout=20))))[1] == "bad-csr"
            good = node_pb2.TokenEnrolment(token=token.text, csr=csr(), address="127.0.0.1")
            assert (await answered(_awaited(stub.EnrolWithToken(good, timeout=20))))[1] == "join-token-spent"

    run(play)


def test_a_message_that_cannot_be_right_spends_no_token() -> None:
    async def play(doors: Doors) -> None:
        token = await doors.enrol.create_token(NODE, timedelta(hours=1), "ada")
        async with doors.channel(None, None, doors.enrolment_port) as channel:
            bad = node_pb2.TokenEnrolment(token=token.text, csr=csr(), address="everywhere")
            call = node_pb2_grpc.EnrolmentStub(channel).EnrolWithToken(bad, timeout=20)
            assert (await answered(_awaited(call)))[1] == "bad-node-address"
        assert doors.nodes.tokens

    run(play)


def test_a_door_without_client_certificates_lets_nobody_into_the_node_channel() -> None:
    async def play(doors: Doors) -> None:
        channel = doors.channel(None, None, doors.node_port)
        assert (await answered(greeted(channel)))[0] is grpc.StatusCode.UNAVAILABLE

    run(play)


def test_no_agent_speaks_for_a_server_that_has_its_nodes_name() -> None:
    async def play(doors: Doors) -> None:
        kept = Holding(NODE, f"server {NODE}", "bundle", "d", "d", "", doors.clock.now())
        doors.nodes.held = [kept]
        async with doors.agent_channel() as channel:
            stream = Stream(channel)
            lies = holdings(f"server {NODE}", gone=[f"server {NODE}"])
            await stream.say(HELLO, lies, holdings("one", complete=True))
            await doors.nodes.until(lambda nodes: any(one.participant == "one" for one in nodes.held))
            assert [one for one in doors.nodes.held if one.participant.startswith("server")] == [kept]

    run(play)
