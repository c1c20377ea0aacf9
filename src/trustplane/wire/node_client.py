"""An agent's side of the node channel, over gRPC.

The transport checks the server's chain and DNS name; that the server also holds the SPIFFE ID it should is proved by
its signature over our nonce before the link is used (gRPC clients look at no URI SAN).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import grpc
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.clock_skew import Exchange, Skew
from trustplane.flows.node.node_link import LeafIssued, LeafOrder, Report, ViewUpdate
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import RESERVED_SEGMENT, server_dns_name
from trustplane.spiffe.verify import BundleSet, verify_x509
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.verdict.delivery import Parcel
from trustplane.wire import handshake_codec, node_codec, parcel_codec, proof
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc
from trustplane.wire.grpc_status import fault_of

CALL_SECONDS = 15.0
MAX_UPDATE_BYTES = 64 * 1024 * 1024


def _options(trust_domain: TrustDomain) -> list[tuple[str, str | int]]:
    return [
        ("grpc.ssl_target_name_override", server_dns_name(trust_domain)),
        ("grpc.max_receive_message_length", MAX_UPDATE_BYTES),
        # A server that lives and does not answer is given up after half a minute. Without the two below, gRPC stops
        # asking after two pings on a stream that says nothing, and waits a minute for a ping that measures the line.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]


TellsTheTime = (
    node_pb2.ServerProof | node_pb2.NodeIdentity | node_pb2.X509Results | node_pb2.JwtResult | node_pb2.ProbeResult
)


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """How an agent knows its servers."""

    bundle: Bundle
    clock: Clock
    exchanged: Callable[[Exchange], object] = field(default=lambda _: None, repr=False)
    skew: Callable[[], Skew | None] = field(default=lambda: None, repr=False)

    def heard(self, asked: datetime, answer: TellsTheTime) -> None:
        """Every answer that names the server's time measures the clocks."""
        if answer.HasField("server_time"):
            self.exchanged(Exchange(asked, node_codec.instant(answer.server_time), self.clock.now()))

    def check(self, proof_: node_pb2.ServerProof, nonce: bytes) -> None:
        svid = X509Svid.from_der(tuple(proof_.chain))
        own = self.bundle.trust_domain
        spiffe_id = verify_x509(svid, BundleSet({own: self.bundle}), self.clock.now())
        if spiffe_id.path[:2] != (RESERVED_SEGMENT, "server"):
            raise Refused(
                code="not-a-server",
                what=f"{spiffe_id} answered at a server's address",
                why="only an SVID under /trustplane/server/ speaks for a trustplane server",
                fix="check the agent's --server addresses",
            )
        proof.check(svid.leaf.public_key(), proof.GREETING, nonce, proof_.signature)


class EnrolmentClient:
    def __init__(self, address: str, trust: ServerTrust, node_address: str) -> None:
        self._address = address
        self._trust = trust
        self._node_address = node_address

    async def with_token(self, token: str, csr: bytes) -> tuple[X509Svid, datetime, bytes]:
        async with self._channel() as channel:
            stub = node_pb2_grpc.EnrolmentStub(channel)
            request = node_pb2.TokenEnrolment(token=token, csr=csr, address=self._node_address)
            with _failures_as_faults():
                asked = self._trust.clock.now()
                answer = await stub.EnrolWithToken(request, timeout=CALL_SECONDS)
            self._trust.heard(asked, answer)
            return node_codec.identity_parts(answer)

    async def with_certificate(
        self, chain: Sequence[bytes], key: PrivateKeyTypes, csr: bytes
    ) -> tuple[X509Svid, datetime, bytes]:
        async with self._channel() as channel:
            call = node_pb2_grpc.EnrolmentStub(channel).EnrolWithCertificate(timeout=CALL_SECONDS)
            offer = node_pb2.CertificateOffer(chain=chain, csr=csr, address=self._node_address)
            with _failures_as_faults():
                challenge = node_codec.challenge(await _said(call, node_pb2.CertificateEnrolment(offer=offer)))
                signature = proof.sign(key, proof.NODE_CERTIFICATE, challenge)
                asked = self._trust.clock.now()
                answer = node_codec.enrolled(await _said(call, node_pb2.CertificateEnrolment(signature=signature)))
            self._trust.heard(asked, answer)
            return node_codec.identity_parts(answer)

    def _channel(self) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(root_certificates=self._trust.bundle.x509_pem())
        return grpc.aio.secure_channel(self._address, credentials, options=_options(self._trust.bundle.trust_domain))


class NodeClient:
    """One authenticated connection to one server; satisfies `flows.node.node_link.Link`. Open it with `connect`."""

    def __init__(self, channel: grpc.aio.Channel, trust: ServerTrust, hello: node_pb2.Hello) -> None:
        self._channel = channel
        self._trust = trust
        self._hello = hello
        self._stub = node_pb2_grpc.NodeStub(channel)

    @classmethod
    async def connect(
        cls, address: str, identity: KeyedSvid, trust: ServerTrust, node_address: str, agent_version: str
    ) -> NodeClient:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=trust.bundle.x509_pem(),
            private_key=identity.key_pem(),
            certificate_chain=identity.svid.pem(),
        )
        options = _options(trust.bundle.trust_domain)
        hello = node_pb2.Hello(agent_version=agent_version, address=node_address)
        client = cls(grpc.aio.secure_channel(address, credentials, options=options), trust, hello)
        try:
            await client.greet()
        except BaseException:
            await client.close()
            raise
        return client

    async def close(self) -> None:
        await self._channel.close()

    async def greet(self) -> None:
        """Have the server prove who it is, and compare clocks."""
        asked = self._trust.clock.now()
        nonce = secrets.token_bytes(proof.NONCE_BYTES)
        with _failures_as_faults():
            answer = await self._stub.Greet(node_pb2.Greeting(nonce=nonce), timeout=CALL_SECONDS)
        # Clocks first: when its SVID looks invalid, ours being wrong is the likeliest reason, and then it is known.
        self._trust.heard(asked, answer)
        self._trust.check(answer, nonce)

    async def renew_node(self, csr: bytes) -> tuple[X509Svid, datetime, bytes]:
        request = node_pb2.NodeRenewal(csr=csr, address=self._hello.address)
        asked = self._trust.clock.now()
        with _failures_as_faults():
            answer = await self._stub.RenewNode(request, timeout=CALL_SECONDS)
        self._trust.heard(asked, answer)
        return node_codec.identity_parts(answer)

    async def follow(self, held_digest: str, reports: AsyncIterator[Report]) -> AsyncGenerator[ViewUpdate, None]:
        hello = node_pb2.Hello(view_digest=held_digest, clock=node_codec.clock_skew(self._trust.skew()))
        hello.MergeFrom(self._hello)
        with _failures_as_faults():
            call = self._stub.Follow()
            sending = asyncio.create_task(_send(call, hello, reports))
            try:
                async for update in call:
                    yield node_codec.view_update(update)
            finally:
                # Else it would take reports, which belong to the next stream, and lose them on this one.
                sending.cancel()
                call.cancel()

    async def issue(self, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]:
        wanted = [node_codec.order(one) for one in orders]
        asked = self._trust.clock.now()
        with _failures_as_faults():
            answer = await self._stub.IssueX509(node_pb2.X509Orders(orders=wanted), timeout=CALL_SECONDS)
        self._trust.heard(asked, answer)
        return node_codec.leaf_outcomes(answer, len(wanted))

    async def probe(self, root_key_id: str, csr: bytes) -> X509Svid:
        order = node_pb2.ProbeOrder(root=root_key_id, csr=csr)
        asked = self._trust.clock.now()
        with _failures_as_faults():
            answer = await self._stub.IssueProbe(order, timeout=CALL_SECONDS)
        self._trust.heard(asked, answer)
        return X509Svid.from_der(tuple(answer.chain))

    async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str:
        order = node_pb2.JwtOrder(spiffe_id=str(spiffe_id), audience=audience)
        asked = self._trust.clock.now()
        with _failures_as_faults():
            answer = await self._stub.IssueJwt(order, timeout=CALL_SECONDS)
        self._trust.heard(asked, answer)
        return answer.token

    async def deliver(self, parcel: Parcel) -> int:
        with _failures_as_faults():
            receipt = await self._stub.Deliver(parcel_codec.encoded(parcel), timeout=CALL_SECONDS)
        return receipt.number

    async def deliver_handshakes(self, parcel: HandshakeParcel) -> int:
        with _failures_as_faults():
            receipt = await self._stub.DeliverHandshakes(handshake_codec.encoded(parcel), timeout=CALL_SECONDS)
        return receipt.number


_FollowCall = grpc.aio.StreamStreamCall[node_pb2.Report, node_pb2.Update]


async def _send(call: _FollowCall, hello: node_pb2.Hello, reports: AsyncIterator[Report]) -> None:
    """Until the call is over; reading it says how it ended."""
    with suppress(grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
        await call.write(node_pb2.Report(hello=hello))
        async for report in reports:
            await call.write(node_codec.report(report))


_EnrolmentCall = grpc.aio.StreamStreamCall[node_pb2.CertificateEnrolment, node_pb2.CertificateEnrolmentReply]


async def _said(call: _EnrolmentCall, step: node_pb2.CertificateEnrolment) -> object:
    """What the server answers to this step."""
    with suppress(asyncio.InvalidStateError):  # the call is over already; reading says how it ended
        await call.write(step)
    return await call.read()


@contextmanager
def _failures_as_faults() -> Iterator[None]:
    """Whatever ends a call is a fault; a cancellation stays one only when it is this task's own.

    gRPC says "cancelled" when a channel is closed under a call, and a task that believed it would end without a word.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise fault_of(error) from None
    except grpc.aio.UsageError:
        raise _link_closed() from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise _link_closed() from None


def _link_closed() -> Unavailable:
    return Unavailable(
        code="link-closed",
        what="the connection to the server was closed",
        why="the node's identity or its trust changed, and a new connection is made with the new ones",
        fix="nothing; the agent connects again",
    )
