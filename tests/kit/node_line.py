"""A server as an agent's flows see it: a link that signs what is asked, fails as told, and remembers every call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from cryptography import x509

from tests.kit.ca import PrivateKey, TestCa
from trustplane.clock import Clock
from trustplane.fault import Fault, Unavailable
from trustplane.flows.node.node_link import LeafIssued, LeafOrder, Report, ViewUpdate
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.registry.view import TrustedBundle
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, agent_id
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.verdict.delivery import Parcel

ACME = TrustDomain("acme.example")
NODE = NodeName("node-a")
AGENT = agent_id(ACME, NODE)


class _PublicHalf:
    """Stands where the test CA takes a key of which it needs only the public half."""

    def __init__(self, request: x509.CertificateSigningRequest) -> None:
        self._request = request

    def public_key(self) -> object:
        return self._request.public_key()


@dataclass
class Domain:
    """A trust domain with one root and one issuing authority."""

    root: TestCa = field(default_factory=lambda: TestCa.root(ACME))

    def __post_init__(self) -> None:
        self.issuing = self.root.intermediate()

    def bundle(self, sequence: int | None = None) -> Bundle:
        return Bundle(ACME, (self.root.certificate,), (), sequence)

    def document(self) -> bytes:
        return bundle_document.encode(self.bundle())

    def trusted(self) -> TrustedBundle:
        return TrustedBundle(ACME, self.document(), self.bundle().digest)

    def signed(self, csr: bytes, spiffe_id: SpiffeId, not_before: datetime, not_after: datetime) -> X509Svid:
        key = cast("PrivateKey", _PublicHalf(x509.load_der_x509_csr(csr)))
        chain, _ = self.issuing.leaf_chain(spiffe_id, key=key, not_before=not_before, not_after=not_after)
        return X509Svid(chain)


def away(wait: timedelta | None = None) -> Unavailable:
    return Unavailable(code="server-away", what="no server", why="it is down", fix="wait", retry_after=wait)


@dataclass
class Line:
    """Satisfies `flows.node.node_link.Link`. `faults` end the next calls; `refuses` says no to single orders."""

    domain: Domain
    clock: Clock
    life: timedelta = timedelta(minutes=10)
    renew_after: timedelta = timedelta(minutes=5)
    down: Fault | None = None
    refuses: dict[SpiffeId, Fault] = field(default_factory=dict)
    instead: dict[SpiffeId, SpiffeId] = field(default_factory=dict)
    calls: list[tuple[SpiffeId, ...]] = field(default_factory=list)
    orders: list[LeafOrder] = field(default_factory=list)
    waits: asyncio.Event | None = None  # calls are answered once it is set
    updates: tuple[ViewUpdate, ...] = ()
    node_renewals: int = 0
    parcels: list[Parcel] = field(default_factory=list)
    handshakes: list[HandshakeParcel] = field(default_factory=list)
    closed: bool = False
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def heard(self, calls: int) -> None:
        """Wait until that many calls have come."""
        while len(self.calls) < calls:
            self._heard.clear()
            await self._heard.wait()

    async def dial(self) -> Line:
        return self

    @asynccontextmanager
    async def line(self, place: int) -> AsyncIterator[Line]:
        """The only one there is."""
        assert place == 0
        yield self

    async def issue(self, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]:
        self.orders += orders
        self.calls.append(tuple(order.spiffe_id for order in orders))
        self._heard.set()
        await self._answer()
        return [self._outcome(order) for order in orders]

    async def renew_node(self, csr: bytes) -> tuple[X509Svid, datetime, bytes]:
        self.node_renewals += 1
        await self._answer()
        return self.node_identity(csr)

    def node_identity(self, csr: bytes, own: SpiffeId = AGENT) -> tuple[X509Svid, datetime, bytes]:
        issued = self._signed(csr, own)
        return issued.svid, issued.renew_at, self.domain.document()

    async def follow(self, held_digest: str, reports: AsyncIterator[Report]) -> AsyncGenerator[ViewUpdate, None]:
        del held_digest, reports
        for update in self.updates:
            yield update

    async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str:
        raise AssertionError((spiffe_id, audience))

    async def probe(self, root_key_id: str, csr: bytes) -> X509Svid:
        raise AssertionError((root_key_id, csr))

    async def deliver(self, parcel: Parcel) -> int:
        await self._answer()
        self.parcels.append(parcel)
        return parcel.id.number

    async def deliver_handshakes(self, parcel: HandshakeParcel) -> int:
        await self._answer()
        self.handshakes.append(parcel)
        return parcel.id.number

    async def close(self) -> None:
        self.closed = True

    async def _answer(self) -> None:
        if self.waits is not None:
            await self.waits.wait()
        if self.down is not None:
            raise self.down

    def _outcome(self, order: LeafOrder) -> LeafIssued | Fault:
        if order.spiffe_id in self.refuses:
            return self.refuses[order.spiffe_id]
        return self._signed(order.csr, self.instead.get(order.spiffe_id, order.spiffe_id))

    def _signed(self, csr: bytes, spiffe_id: SpiffeId) -> LeafIssued:
        at = self.clock.now()
        svid = self.domain.signed(csr, spiffe_id, at - timedelta(seconds=30), at + self.life)
        return LeafIssued(svid, at + self.renew_after)


@asynccontextmanager
async def running(work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """That work in the background; it must be running still when the test is through with it."""
    task = asyncio.create_task(work)
    try:
        yield task
        assert not task.done(), "it ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
