"""The doors agents come through: enrolment (TLS of the server only) and the node channel (TLS on both sides).

Who calls is read from the verified client certificate alone, never from a message. Faults become statuses in
`wire.grpc_status`; nothing here builds one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused
from trustplane.flows.connected_agents import ConnectedAgents, Connection
from trustplane.flows.enrol import EnrolNodes
from trustplane.flows.issue import Issued, Request
from trustplane.flows.push_views import ViewFeed
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName, node_of
from trustplane.wire import node_answers, node_codec, proof
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc
from trustplane.wire.grpc_status import answering

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

Step = TypeVar("Step")

MAX_ORDERS = 500
MAX_HOLDINGS = 10_000
MAX_HOSTED = 10_000
MAX_ADDRESS = 255


class Issuer(Protocol):
    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]: ...


class Minter(Protocol):
    async def mint(self, node: NodeName, spiffe_id: SpiffeId, audience: Sequence[str], at: datetime) -> str: ...


class ServerKey(Protocol):
    """The server's own SVID: its chain, and proofs by its key."""

    def chain(self) -> tuple[bytes, ...]: ...

    def prove(self, purpose: bytes, nonce: bytes) -> bytes: ...


class Uptake(Protocol):
    """Where reports of agents go."""

    async def put_holdings(self, holdings: Sequence[Holding]) -> None: ...

    async def drop_participants(self, node: NodeName, participants: Sequence[str]) -> None: ...

    async def holdings(self) -> Sequence[Holding]: ...

    async def put_hosting(self, node: NodeName, services: frozenset[ServiceName], at: datetime) -> None: ...


class NodeCertificates(Protocol):
    """Which certificates may enrol a node, and as which; refuses all others."""

    def node_of_chain(self, chain: Sequence[bytes], at: datetime) -> tuple[NodeName, x509.Certificate]: ...


class EnrolmentService(node_pb2_grpc.EnrolmentServicer):
    def __init__(
        self, enrol: EnrolNodes, certificates: NodeCertificates, own_bundle: Callable[[], bytes], clock: Clock
    ) -> None:
        self._enrol = enrol
        self._certificates = certificates
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
        node, certificate = self._certificates.node_of_chain(offer.chain, self._clock.now())
        challenge = secrets.token_bytes(proof.NONCE_BYTES)
        yield node_pb2.CertificateEnrolmentReply(challenge=challenge)
        answer = (await _next_step(request_iterator)).signature
        proof.check(certificate.public_key(), proof.NODE_CERTIFICATE, challenge, answer)
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        issued = await self._enrol.with_certificate(node, fingerprint, offer.csr, _address(offer.address))
        yield node_pb2.CertificateEnrolmentReply(identity=self._identity(issued))

    def _identity(self, issued: Issued) -> node_pb2.NodeIdentity:
        return node_answers.node_identity(issued, self._own_bundle())


@dataclass(frozen=True, slots=True)
class NodeDoors:
    """What the node channel opens on to."""

    enrol: EnrolNodes
    issuer: Issuer
    minter: Minter
    views: ViewFeed
    uptake: Uptake
    connections: ConnectedAgents


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

    @answering
    async def Greet(  # noqa: N802 - the protocol's name
        self, request: node_pb2.Greeting, context: Context
    ) -> node_pb2.ServerProof:
        del context
        if len(request.nonce) != proof.NONCE_BYTES:
            raise _too_much("a greeting's nonce", proof.NONCE_BYTES)
        answer = node_pb2.ServerProof(chain=self._key.chain(), signature=self._key.prove(proof.GREETING, request.nonce))
        answer.server_time.FromDatetime(self._clock.now())
        return answer

    @answering
    async def RenewNode(  # noqa: N802 - the protocol's name
        self, request: node_pb2.NodeRenewal, context: Context
    ) -> node_pb2.NodeIdentity:
        issued = await self._doors.enrol.renew(self._caller(context), request.csr, _address(request.address))
        return node_answers.node_identity(issued, self._own_bundle())

    @answering
    async def IssueX509(  # noqa: N802 - the protocol's name
        self, request: node_pb2.X509Orders, context: Context
    ) -> node_pb2.X509Results:
        node = await self._admitted(context)
        if len(request.orders) > MAX_ORDERS:
            raise _too_much("orders in one call", MAX_ORDERS)
        wanted = [Request(order.spiffe_id, order.csr) for order in request.orders]
        outcomes = await self._doors.issuer.issue(node, wanted, self._clock.now())
        return node_pb2.X509Results(results=[node_answers.x509_result(outcome) for outcome in outcomes])

    @answering
    async def IssueJwt(  # noqa: N802 - the protocol's name
        self, request: node_pb2.JwtOrder, context: Context
    ) -> node_pb2.JwtResult:
        node = await self._admitted(context)
        spiffe_id = SpiffeId.parse(request.spiffe_id)
        token = await self._doors.minter.mint(node, spiffe_id, tuple(request.audience), self._clock.now())
        return node_pb2.JwtResult(token=token)

    @answering
    async def Follow(  # noqa: N802 - the protocol's name
        self, request_iterator: AsyncIterator[node_pb2.Report], context: Context
    ) -> AsyncIterator[node_pb2.Update]:
        node = await self._admitted(context)
        hello = (await _next_step(request_iterator)).hello
        cut = _Cut()
        connection = Connection(node, hello.agent_version[:64], cut)
        self._doors.connections.opened(connection)
        reading = asyncio.create_task(self._read_reports(node, request_iterator))
        reading.add_done_callback(lambda done: connection.cut() if _fault_of_task(done) else None)
        try:
            async for push in self._doors.views.follow(node, hello.view_digest):
                yield node_codec.update(push)
        except asyncio.CancelledError:
            if fault := _fault_of_task(reading):
                raise fault from None
            if cut.made:
                # gRPC tells the agent nothing of a call that was merely cancelled: it would wait for ever.
                await self._doors.enrol.require(node)
            raise
        finally:
            reading.cancel()
            self._doors.connections.closed(connection)

    async def _read_reports(self, node: NodeName, reports: AsyncIterator[node_pb2.Report]) -> None:
        async for report in reports:
            await self._take(node, report)

    async def _take(self, node: NodeName, report: node_pb2.Report) -> None:
        at = self._clock.now()
        match report.WhichOneof("kind"):
            case "acknowledgement":
                digest = report.acknowledgement.view_digest[:64]
                await self._doors.uptake.put_holdings([Holding(node, _agent_of(node), "view", digest, digest, "", at)])
            case "holdings":
                if len(report.holdings.holdings) > MAX_HOLDINGS:
                    raise _too_much("holdings in one report", MAX_HOLDINGS)
                await self._take_holdings(node, report.holdings)
            case "hosting":
                if len(report.hosting.services) > MAX_HOSTED:
                    raise _too_much("hosted services in one report", MAX_HOSTED)
                services = frozenset(ServiceName.parse(name) for name in report.hosting.services)
                await self._doors.uptake.put_hosting(node, services, at)
            case _:
                return  # a newer agent may report what this server does not know yet

    async def _take_holdings(self, node: NodeName, told: node_pb2.Holdings) -> None:
        held = [node_codec.holding(node, one) for one in told.holdings]
        gone = set(told.gone)
        if told.complete:
            here = {one.participant for one in held} | {_agent_of(node)}
            known = {one.participant for one in await self._doors.uptake.holdings() if one.node == node}
            gone |= known - here
        if gone:
            await self._doors.uptake.drop_participants(node, sorted(gone))
        if held:
            await self._doors.uptake.put_holdings(held)

    async def _admitted(self, context: Context) -> NodeName:
        node = self._caller(context)
        await self._doors.enrol.require(node)
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
        spiffe_id = SpiffeId.parse(found[0].decode())
        if spiffe_id.trust_domain != self._trust_domain:
            raise Refused(
                code="foreign-agent",
                what=f"{spiffe_id} belongs to another trust domain",
                why=f"this server speaks to agents of {self._trust_domain} only",
                fix="point the agent at a server of its own trust domain",
            )
        return node_of(spiffe_id)


def _agent_of(node: NodeName) -> str:
    return f"agent {node}"


class _Cut:
    """Ends the call it was made in, from outside."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self.made = False

    def __call__(self) -> None:
        self.made = True
        if self._task is not None:
            self._task.cancel()


def _fault_of_task(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _next_step(steps: AsyncIterator[Step]) -> Step:
    async for step in steps:
        return step
    raise Refused(
        code="stream-ended-early",
        what="the agent closed the stream before it said all it must",
        why="this call is a conversation: each side waits for the other's next message",
        fix="upgrade the agent; if it is current, report this with its log",
    )


def _address(text: str) -> str:
    if not 0 < len(text) <= MAX_ADDRESS or not text.isascii() or not text.isprintable() or " " in text:
        raise Refused(
            code="bad-node-address",
            what=f"{text[:MAX_ADDRESS]!r} is not a node address",
            why="other nodes connect to it: it is an IP address or a host name",
            fix="start the agent with --address and the IP other nodes reach it at",
        )
    return text


def _too_much(what: str, most: int) -> Refused:
    return Refused(
        code="message-too-large",
        what=f"too much in one message: {what}",
        why=f"at most {most} are taken, so that no agent can exhaust a server",
        fix="send several smaller messages",
    )
