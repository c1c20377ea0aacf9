"""The doors agents come through: enrolment (TLS of the server only) and the node channel (TLS on both sides).

Who calls is read from the verified client certificate alone, never from a message. Faults become statuses in
`wire.grpc_status`; nothing here builds one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.desired.connected_agents import ConnectedAgents, Connection
from trustplane.flows.desired.push_views import Push, ViewFeed
from trustplane.flows.issuing.enrol import EnrolNodes
from trustplane.flows.issuing.issue import Issued, Request
from trustplane.flows.issuing.readmit import Claim
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, node_of
from trustplane.verdict.delivery import Parcel
from trustplane.wire import handshake_codec, node_answers, node_codec, parcel_codec, proof
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc
from trustplane.wire.grpc_status import answering
from trustplane.wire.node_reports import Reports, Uptake, too_much
from trustplane.wire.view_updates import ViewUpdates

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

Step = TypeVar("Step")

MAX_ORDERS = 500
STEP_SECONDS = 15.0  # between the steps of a conversation, for a peer that must answer at once


class Issuer(Protocol):
    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]: ...


class Minter(Protocol):
    async def mint(self, node: NodeName, spiffe_id: SpiffeId, audience: Sequence[str], at: datetime) -> str: ...


class Prober(Protocol):
    async def probe(self, node: NodeName, root_key_id: str, csr: bytes) -> Issued:
        """Refused unless that root is about to take over."""
        ...


class ServerKey(Protocol):
    """The server's own SVID: its chain, and proofs by its key."""

    def chain(self) -> tuple[bytes, ...]: ...

    def prove(self, purpose: bytes, nonce: bytes) -> bytes: ...


class Claims(Protocol):
    """Which certificates may enrol a node, and as which; refuses all others."""

    async def claim(self, chain: Sequence[bytes], at: datetime) -> Claim: ...


class EnrolmentService(node_pb2_grpc.EnrolmentServicer):
    def __init__(self, enrol: EnrolNodes, claims: Claims, own_bundle: Callable[[], bytes], clock: Clock) -> None:
        self._enrol = enrol
        self._claims = claims
        self._own_bundle = own_bundle
        self._clock = clock

    @answering
    async def EnrolWithToken(  # noqa: N802 - the protocol's name
        self, request: node_pb2.TokenEnrolment, context: Context
    ) -> node_pb2.NodeIdentity:
        del context
        issued = await self._enrol.with_token(request.token, request.csr, _address(request.address))
        return self._identity(issued)

    @answering
    async def EnrolWithCertificate(  # noqa: N802 - the protocol's name
        self, request_iterator: AsyncIterator[node_pb2.CertificateEnrolment], context: Context
    ) -> AsyncIterator[node_pb2.CertificateEnrolmentReply]:
        del context
        offer = (await _next_step(request_iterator)).offer
        claim = await self._claims.claim(offer.chain, self._clock.now())
        challenge = secrets.token_bytes(proof.NONCE_BYTES)
        yield node_pb2.CertificateEnrolmentReply(challenge=challenge)
        answer = (await _next_step(request_iterator)).signature
        proof.check(claim.certificate.public_key(), proof.NODE_CERTIFICATE, challenge, answer)
        issued = await self._enrol.with_certificate(claim.node, claim.evidence, offer.csr, _address(offer.address))
        yield node_pb2.CertificateEnrolmentReply(identity=self._identity(issued))

    def _identity(self, issued: Issued) -> node_pb2.NodeIdentity:
        return node_answers.node_identity(issued, self._own_bundle(), self._clock.now())


class VouchedNodes(Protocol):
    async def check(self, leaf_pem: bytes) -> None:
        """Refuses a verified certificate that must not be relied on any more."""
        ...


class Handshakes(Protocol):
    async def keep(self, parcel: HandshakeParcel) -> int:
        """The highest number of its stream that is kept, durably."""
        ...


class Decisions(Protocol):
    async def keep(self, parcel: Parcel) -> int:
        """The highest number of its stream that is kept, durably."""
        ...


@dataclass(frozen=True, slots=True)
class NodeDoors:
    """What the node channel opens on to."""

    enrol: EnrolNodes
    issuer: Issuer
    minter: Minter
    views: ViewFeed
    uptake: Uptake
    connections: ConnectedAgents
    vouched: VouchedNodes
    prober: Prober
    decisions: Decisions
    handshakes: Handshakes


class NodeService(node_pb2_grpc.NodeServicer):
    def __init__(
        self,
        trust_domain: TrustDomain,
        doors: NodeDoors,
        key: ServerKey,
        own_bundle: Callable[[], bytes],
        clock: Clock,
    ) -> None:
        self._trust_domain = trust_domain
        self._doors = doors
        self._key = key
        self._own_bundle = own_bundle
        self._clock = clock
        self._updates = ViewUpdates()

    @answering
    async def Greet(  # noqa: N802 - the protocol's name
        self, request: node_pb2.Greeting, context: Context
    ) -> node_pb2.ServerProof:
        del context
        if len(request.nonce) != proof.NONCE_BYTES:
            raise too_much("a greeting's nonce", proof.NONCE_BYTES)
        answer = node_pb2.ServerProof(chain=self._key.chain(), signature=self._key.prove(proof.GREETING, request.nonce))
        answer.server_time.FromDatetime(self._clock.now())
        return answer

    @answering
    async def RenewNode(  # noqa: N802 - the protocol's name
        self, request: node_pb2.NodeRenewal, context: Context
    ) -> node_pb2.NodeIdentity:
        issued = await self._doors.enrol.renew(await self._known(context), request.csr, _address(request.address))
        return node_answers.node_identity(issued, self._own_bundle(), self._clock.now())

    @answering
    async def IssueX509(  # noqa: N802 - the protocol's name
        self, request: node_pb2.X509Orders, context: Context
    ) -> node_pb2.X509Results:
        node = await self._admitted(context)
        if len(request.orders) > MAX_ORDERS:
            raise too_much("orders in one call", MAX_ORDERS)
        wanted = [Request(order.spiffe_id, order.csr, node_codec.held_until(order)) for order in request.orders]
        outcomes = await self._doors.issuer.issue(node, wanted, self._clock.now())
        results = [node_answers.x509_result(outcome) for outcome in outcomes]
        return node_pb2.X509Results(results=results, server_time=node_codec.timestamp(self._clock.now()))

    @answering
    async def IssueJwt(  # noqa: N802 - the protocol's name
        self, request: node_pb2.JwtOrder, context: Context
    ) -> node_pb2.JwtResult:
        node = await self._admitted(context)
        spiffe_id = SpiffeId.parse(request.spiffe_id)
        token = await self._doors.minter.mint(node, spiffe_id, tuple(request.audience), self._clock.now())
        return node_pb2.JwtResult(token=token, server_time=node_codec.timestamp(self._clock.now()))

    @answering
    async def IssueProbe(  # noqa: N802 - the protocol's name
        self, request: node_pb2.ProbeOrder, context: Context
    ) -> node_pb2.ProbeResult:
        node = await self._admitted(context)
        issued = await self._doors.prober.probe(node, request.root, request.csr)
        return node_pb2.ProbeResult(chain=issued.chain, server_time=node_codec.timestamp(self._clock.now()))

    @answering
    async def Deliver(  # noqa: N802 - the protocol's name
        self, request: node_pb2.Parcel, context: Context
    ) -> node_pb2.Receipt:
        node = await self._admitted(context)
        return node_pb2.Receipt(number=await self._doors.decisions.keep(parcel_codec.decoded(node, request)))

    @answering
    async def DeliverHandshakes(  # noqa: N802 - the protocol's name
        self, request: node_pb2.HandshakeParcel, context: Context
    ) -> node_pb2.Receipt:
        node = await self._admitted(context)
        return node_pb2.Receipt(number=await self._doors.handshakes.keep(handshake_codec.decoded(node, request)))

    @answering
    async def Follow(  # noqa: N802 - the protocol's name
        self, request_iterator: AsyncIterator[node_pb2.Report], context: Context
    ) -> AsyncIterator[node_pb2.Update]:
        node = await self._known(context)
        hello = _hello(await _next_step(request_iterator))
        cut = asyncio.get_running_loop().create_future()
        skew = node_codec.clock_skew_of(hello, self._clock.now())
        connection = Connection(node, hello.agent_version[:64], partial(_settle, cut), skew)
        self._doors.connections.opened(connection)
        reading = asyncio.create_task(self._read_reports(node, request_iterator))
        reading.add_done_callback(lambda done: None if done.cancelled() or not done.exception() else connection.cut())
        pushes = self._doors.views.follow(node, hello.view_digest)
        try:
            # After the connection can be cut, so that a ban in between is not missed.
            await self._doors.enrol.heard_from(node, _address(hello.address))
            while (push := await _unless(cut, anext(pushes))) is not None:
                yield self._updates.update(push)
            if reading.done():
                reading.result()
            await self._doors.enrol.require(node)
            raise _cut_off()
        finally:
            reading.cancel()
            self._doors.connections.closed(connection)

    async def _read_reports(self, node: NodeName, reports: AsyncIterator[node_pb2.Report]) -> None:
        told = Reports(node, self._doors.uptake, self._clock)
        async for report in _readable(reports):
            await told.take(report)

    async def _admitted(self, context: Context) -> NodeName:
        node = await self._known(context)
        await self._doors.enrol.require(node)
        return node

    async def _known(self, context: Context) -> NodeName:
        node = self._caller(context)
        for pem in tuple(context.auth_context().get("x509_pem_cert", ())):
            await self._doors.vouched.check(pem)
        return node

    def _caller(self, context: Context) -> NodeName:
        # Set by the transport only when the verified leaf has exactly one URI SAN and it is a SPIFFE ID.
        found = tuple(context.auth_context().get("peer_spiffe_id", ()))
        if len(found) != 1:
            raise Refused(
                code="no-spiffe-id",
                what="the client certificate carries no single SPIFFE ID",
                why="an agent is known by the one URI SAN of its SVID (X509-SVID §2)",
                fix="connect with the SVID the agent received when it enrolled",
            )
        spiffe_id = SpiffeId.parse(found[0].decode(errors="replace"))
        if spiffe_id.trust_domain != self._trust_domain:
            raise Refused(
                code="foreign-agent",
                what=f"{spiffe_id} belongs to another trust domain",
                why=f"this server speaks to agents of {self._trust_domain} only",
                fix="point the agent at a server of its own trust domain",
            )
        return node_of(spiffe_id)


def _settle(cut: asyncio.Future[None]) -> None:
    if not cut.done():
        cut.set_result(None)


async def _unless(cut: asyncio.Future[None], step: Awaitable[Push]) -> Push | None:
    """What comes next, or none once `cut`: a call that is merely cancelled would tell the agent nothing."""
    stepping = asyncio.ensure_future(step)
    try:
        await asyncio.wait((cut, stepping), return_when=asyncio.FIRST_COMPLETED)
        return None if cut.done() else stepping.result()
    finally:
        stepping.cancel()


def _hello(report: node_pb2.Report) -> node_pb2.Hello:
    if report.WhichOneof("kind") != "hello":
        raise _out_of_turn("it began to report before it said who it is")
    return report.hello


async def _next_step(steps: AsyncIterator[Step]) -> Step:
    try:
        async with asyncio.timeout(STEP_SECONDS):
            async for step in _readable(steps):
                return step
    except TimeoutError:
        raise _out_of_turn(f"it said nothing for {STEP_SECONDS:.0f} seconds") from None
    raise _out_of_turn("it closed the stream before it said all it must")


async def _readable(steps: AsyncIterator[Step]) -> AsyncIterator[Step]:
    try:
        async for step in steps:
            yield step
    except DecodeError:
        raise Refused(
            code="bad-request-message",
            what="what came on the stream is not a message of this method",
            why="it cannot be parsed as the protobuf message the method takes",
            fix="use a client generated from the same protocol",
        ) from None


def _out_of_turn(what: str) -> Refused:
    return Refused(
        code="agent-out-of-turn",
        what=f"the agent did not keep to the conversation: {what}",
        why="in this call each side waits for the other's next message",
        fix="upgrade the agent; if it is current, report this with its log",
    )


def _cut_off() -> Unavailable:
    return Unavailable(
        code="stream-cut",
        what="the server ended this stream",
        why="an operator asked for it",
        fix="nothing; the agent connects again",
    )


def _address(text: str) -> str:
    """Checked here, because what one agent says is configuration for the proxies of all its callers."""
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or address.is_unspecified or address.is_multicast:
        raise Refused(
            code="bad-node-address",
            what=f"{text[:100]!r} is not a node's address",
            why="other nodes' proxies connect to it: it is one IP address, not a name and not all of them",
            fix="start the agent with --address and the IP other nodes reach it at",
        )
    return str(address)
