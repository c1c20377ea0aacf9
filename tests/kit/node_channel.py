"""The two doors of a server for agents, on loopback sockets, over memory in place of a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from tests.kit.ca import PrivateKey, TestCa
from tests.kit.node_line import ACME, NODE, Domain
from tests.kit.sidecars import keyed
from trustplane.fault import Fault, Refused
from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.desired.push_views import ViewFeed
from trustplane.flows.issuing.enrol import EnrolNodes
from trustplane.flows.issuing.issue import Issued, Request
from trustplane.flows.issuing.readmit import NodeEvidence
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.host.clock import SystemClock
from trustplane.host.node_certificates import NodeCertificateCas
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.model import DesiredState
from trustplane.registry.needs import Needs
from trustplane.registry.records import Agent, Holding, JoinToken
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName, agent_id, probe_id, server_dns_name, server_id
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.trust.revocation import Revocations
from trustplane.verdict.delivery import Parcel
from trustplane.wire import proof
from trustplane.wire.gen.trustplane.node.v1 import node_pb2_grpc
from trustplane.wire.node_client import NodeClient, ServerTrust
from trustplane.wire.node_server import TlsIdentity, open_door
from trustplane.wire.node_service import EnrolmentService, NodeDoors, NodeService

SERVER = server_id(ACME, NodeName("s1"))


@dataclass
class MemoryNodes:
    """Tokens, agents, the journal, and what agents reported."""

    tokens: dict[bytes, JoinToken] = field(default_factory=dict)
    known: dict[NodeName, Agent] = field(default_factory=dict)
    journal: list[bytes] = field(default_factory=list)
    held: list[Holding] = field(default_factory=list)
    dropped: list[tuple[str, ...]] = field(default_factory=list)
    hosted: list[frozenset[ServiceName]] = field(default_factory=list)
    issued: list[IssuedCertificate] = field(default_factory=list)
    revoked: Revocations = field(default_factory=Revocations)
    down: Fault | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def put_join_token(self, token: JoinToken) -> None:
        self.tokens[token.token_sha256] = token

    async def redeem_join_token(self, token_sha256: bytes, at: datetime) -> JoinToken:
        token = self.tokens.pop(token_sha256, None)
        if token is None or at >= token.expires_at:
            raise Refused(code="join-token-spent", what="not a token", why="used or unknown", fix="another")
        return token

    async def put_agent(self, agent: Agent) -> None:
        self.known[agent.node] = agent

    async def agent(self, node: NodeName) -> Agent | None:
        return self.known.get(node)

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        del at
        self.journal += bodies
        return len(self.journal)

    async def put_holdings(self, holdings: Sequence[Holding]) -> None:
        self._tell()
        self.held += holdings

    async def drop_participants(self, node: NodeName, participants: Sequence[str]) -> None:
        self._tell()
        self.dropped.append(tuple(participants))
        self.held = [one for one in self.held if (one.node, one.participant) not in {(node, p) for p in participants}]

    async def holdings(self) -> Sequence[Holding]:
        return tuple(self.held)

    async def put_hosting(self, node: NodeName, services: frozenset[ServiceName], at: datetime) -> None:
        del node, at
        self._tell()
        self.hosted.append(services)

    async def until(self, reached: Callable[[MemoryNodes], bool]) -> None:
        """Wait until what agents reported makes that true."""
        while not reached(self):
            self.told.clear()
            await self.told.wait()

    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]:
        newest_first = [one for one in reversed(self.issued) if one.spiffe_id == spiffe_id]
        return newest_first[:limit]

    async def revocations(self) -> Revocations:
        return self.revoked

    def ban(self, node: NodeName) -> None:
        self.known[node] = replace(self.known[node], banned=True)

    def _tell(self) -> None:
        if self.down is not None:
            raise self.down
        self.told.set()


class CaIssuer:
    """Signs what it is asked, for whoever asks."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.asked: list[tuple[NodeName, tuple[Request, ...]]] = []

    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]:
        self.asked.append((node, tuple(requests)))
        return [self._issued(SpiffeId.parse(one.spiffe_id), one.csr_der, at) for one in requests]

    async def issue_node(self, node: NodeName, csr_der: bytes, at: datetime) -> Issued | Fault:
        return self._issued(agent_id(ACME, node), csr_der, at)

    def _issued(self, spiffe_id: SpiffeId, csr: bytes, at: datetime) -> Issued | Fault:
        try:
            svid = self._domain.signed(csr, spiffe_id, at - timedelta(minutes=1), at + timedelta(hours=1))
        except ValueError:
            return Refused(code="bad-csr", what="no CSR", why="it cannot be read", fix="send one")
        return Issued(svid.der(), svid.serial, svid.not_after, at + timedelta(minutes=30))


class AllVouched:
    async def check(self, leaf_pem: bytes) -> None:
        del leaf_pem


class CaProber:
    """Gives certificates below the root named `ab` and no other."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    async def probe(self, node: NodeName, root_key_id: str, csr: bytes) -> Issued:
        if root_key_id != "ab":
            raise Refused(code="no-root-to-probe", what=root_key_id, why="it is not to take over", fix="wait")
        del csr
        svid = keyed(self._domain.issuing, probe_id(ACME, node)).svid
        return Issued(svid.der(), svid.serial, svid.not_after, svid.not_after)


class EchoMinter:
    async def mint(self, node: NodeName, spiffe_id: SpiffeId, audience: Sequence[str], at: datetime) -> str:
        del at
        return f"{node} {spiffe_id} {','.join(audience)}"


class MemoryDecisions:
    def __init__(self) -> None:
        self.parcels: list[Parcel] = []

    async def keep(self, parcel: Parcel) -> int:
        self.parcels.append(parcel)
        return parcel.id.number


class MemoryHandshakes:
    def __init__(self) -> None:
        self.parcels: list[HandshakeParcel] = []

    async def keep(self, parcel: HandshakeParcel) -> int:
        self.parcels.append(parcel)
        return parcel.id.number


class Doors:
    """A server's doors for agents. `identity` may be replaced while it serves."""

    def __init__(self) -> None:
        self.domain = Domain()
        self.clock = SystemClock()
        self.nodes = MemoryNodes()
        self.issuer = CaIssuer(self.domain)
        self.enrol = EnrolNodes(self.nodes, self.nodes, self.nodes, self.issuer, self.clock)
        self.views = ViewFeed(Needs(DesiredState(ACME, "standard", {}, {}, {}), 1, {}, (self.domain.trusted(),)))
        self.connected = ConnectedAgents()
        self.identity = self.server_identity()
        self.roots = self.domain.bundle().x509_pem()
        self.site = TestCa.root("site.example")
        self.decisions = MemoryDecisions()
        self.handshakes = MemoryHandshakes()
        self.node_port = self.enrolment_port = 0

    def server_identity(self, spiffe_id: SpiffeId = SERVER) -> KeyedSvid:
        return keyed(self.domain.issuing, spiffe_id, dns=(server_dns_name(ACME),))

    def agent_identity(self, spiffe_id: SpiffeId | None = None) -> KeyedSvid:
        return keyed(self.domain.issuing, spiffe_id or agent_id(ACME, NODE))

    def enrolled(self, node: NodeName = NODE, address: str = "127.0.0.1") -> None:
        at = self.clock.now()
        self.nodes.known[node] = Agent(node, address, "join-token", at, 1, at + timedelta(hours=1))

    def site_chain(self, node: str) -> tuple[tuple[bytes, ...], PrivateKey]:
        """What a site's own CA gave that machine."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, node)])
        leaf, key = self.site.leaf("/x", subject=subject, uris=(), dns=(f"{node}.site",))
        return (leaf.public_bytes(Encoding.DER),), key

    # As `wire.node_service.ServerKey`.
    def chain(self) -> tuple[bytes, ...]:
        return self.identity.svid.der()

    def prove(self, purpose: bytes, nonce: bytes) -> bytes:
        return proof.sign(load_der_private_key(self.identity.key_pkcs8, None), purpose, nonce)

    def tls(self) -> TlsIdentity:
        return TlsIdentity(self.identity.svid.pem(), self.identity.key_pem(), self.roots)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Doors]:
        minter, prober = EchoMinter(), CaProber(self.domain)
        behind = NodeDoors(
            self.enrol,
            self.issuer,
            minter,
            self.views,
            self.nodes,
            self.connected,
            AllVouched(),
            prober,
            self.decisions,
            self.handshakes,
        )
        nodes, self.node_port = open_door("127.0.0.1:0", self.tls, clients_have_certificates=True)
        service = NodeService(ACME, behind, self, self.domain.document, self.clock)
        node_pb2_grpc.add_NodeServicer_to_server(service, nodes)
        enrolment, self.enrolment_port = open_door("127.0.0.1:0", self.tls, clients_have_certificates=False)
        evidence = NodeEvidence(ACME, NodeCertificateCas([self.site.certificate]), self.nodes)
        enrolling = EnrolmentService(self.enrol, evidence, self.domain.document, self.clock)
        node_pb2_grpc.add_EnrolmentServicer_to_server(enrolling, enrolment)
        try:
            await nodes.start()
            await enrolment.start()
            yield self
        finally:
            await nodes.stop(None)
            await enrolment.stop(None)

    def channel(self, chain: bytes | None, key: bytes | None, port: int | None = None) -> grpc.aio.Channel:
        """As an agent connects, to say what its client never would."""
        credentials = grpc.ssl_channel_credentials(self.roots, key, chain)
        options = [("grpc.ssl_target_name_override", server_dns_name(ACME)), ("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.secure_channel(f"127.0.0.1:{port or self.node_port}", credentials, options)

    def agent_channel(self, identity: KeyedSvid | None = None) -> grpc.aio.Channel:
        shown = identity or self.agent_identity()
        return self.channel(shown.svid.pem(), shown.key_pem())

    async def connected_client(self) -> NodeClient:
        trust = ServerTrust(self.domain.bundle(), self.clock)
        return await NodeClient.connect(
            f"127.0.0.1:{self.node_port}", self.agent_identity(), trust, "127.0.0.1", "test"
        )
