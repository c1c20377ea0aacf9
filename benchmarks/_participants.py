"""Simulated agents for a change of root: they take up bundles, renew leaves and answer for sidecars as real ones do.

They speak the real protocol to the real server. What they leave out costs their own node and not the server: there is
no Envoy behind a sidecar, and no handshake is made with a probe certificate that was given.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import grpc

from benchmarks._server import DOMAIN
from trustplane.host.clock import SystemClock
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.registry.view import LeavingIssuer
from trustplane.rotation.leaving import brought_forward
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.names import ServiceName, default_id
from trustplane.spiffe.public_keys import key_id
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire import node_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc

TICK_SECONDS = 0.2
Dial = Callable[[KeyedSvid, Bundle], grpc.aio.Channel]


class Reads(Protocol):
    def read(self) -> Awaitable[object]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One connection: calls, and what is said on the stream."""

    stub: node_pb2_grpc.NodeStub
    say: Callable[[node_pb2.Report], Awaitable[None]]


class Participant:
    """An agent and the sidecars of its node."""

    def __init__(self, node: str, services: Iterable[str], identity: KeyedSvid, dial: Dial, bundle: Bundle) -> None:
        self.node = node
        self._ids = {name: default_id(DOMAIN, ServiceName("bench", name)) for name in services}
        self._identity = identity
        self._identity_due: datetime | None = None
        self._dial = dial
        self._bundle = bundle
        self._leaves: dict[str, tuple[X509Svid, datetime]] = {}
        self._leaving: tuple[LeavingIssuer, ...] = ()
        self._probed: set[str] = set()
        self._clock = SystemClock()
        self.holds_all = asyncio.Event()

    async def run(self) -> None:
        """A connection for each identity, as an agent makes them."""
        while True:
            async with self._dial(self._identity, self._bundle) as channel:
                stub = node_pb2_grpc.NodeStub(channel)
                call, turn = stub.Follow(), asyncio.Lock()

                async def say(report: node_pb2.Report) -> None:
                    async with turn:  # noqa: B023 - both end with the loop's turn
                        await call.write(report)  # noqa: B023

                line = Line(stub, say)
                await say(node_pb2.Report(hello=node_pb2.Hello(agent_version="bench", address="127.0.0.1")))
                await say(node_pb2.Report(hosting=node_pb2.Hosting(services=[f"bench/{one}" for one in self._ids])))
                keeping = asyncio.create_task(self._keep(line))
                try:
                    while not keeping.done() and isinstance(update := await self._next(call, keeping), node_pb2.Update):
                        await self._take(update, line)
                finally:
                    keeping.cancel()
                    await asyncio.wait([keeping])
                if not keeping.cancelled():
                    keeping.result()

    async def _next(self, call: Reads, keeping: asyncio.Task[None]) -> object:
        """What comes next, or nothing once there is a new identity."""
        reading = asyncio.ensure_future(call.read())
        await asyncio.wait((reading, keeping), return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            return reading.result()
        reading.cancel()
        return None

    async def _take(self, update: node_pb2.Update, line: Line) -> None:
        held = node_pb2.Acknowledgement(number=update.number, view_digest=update.view_digest)
        await line.say(node_pb2.Report(acknowledgement=held))
        if update.HasField("withdrawn"):
            self._leaving = tuple(
                LeavingIssuer(one.key_id, node_codec.instant(one.since), one.within.ToTimedelta())
                for one in update.withdrawn.leaving
            )
        for one in update.bundles:
            if one.trust_domain == DOMAIN.name:
                await self._take_up(bundle_document.decode(one.document, DOMAIN), line)

    async def _take_up(self, bundle: Bundle, line: Line) -> None:
        self._bundle = bundle
        held = [(f"agent {self.node}", "bundle", bundle.x509_digest)]
        held += [(f"sidecar bench/{name}", f"secret/{DOMAIN.id}", bundle.digest) for name in self._ids]
        await self._report(line, held)
        roots = [key_id(one) for one in bundle.x509_authorities]
        for root in roots if len(roots) > 1 else ():
            if root not in self._probed:
                await self._probe(root, line)

    async def _probe(self, root: str, line: Line) -> None:
        order = node_pb2.ProbeOrder(root=root, csr=LeafKey.generate(KeyKind.P256).csr())
        with contextlib.suppress(grpc.aio.AioRpcError):  # the root that signs already cannot be probed
            await line.stub.IssueProbe(order)
            self._probed.add(root)
            await self._report(line, [(f"sidecar bench/{name}", f"root/{root}", root) for name in self._ids])

    async def _keep(self, line: Line) -> None:
        """Renew what is due; returns when the agent has a new identity, for a new connection."""
        while True:
            at = self._clock.now()
            due = [name for name in self._ids if self._is_due(self._leaves.get(name), at)]
            if due:
                await self._renew(due, line)
            if self._is_due((self._identity.svid, self._identity_due) if self._identity_due else None, at):
                key = LeafKey.generate(KeyKind.P256)
                answer = await line.stub.RenewNode(node_pb2.NodeRenewal(csr=key.csr(), address="127.0.0.1"))
                self._identity = KeyedSvid(X509Svid.from_der(tuple(answer.chain)), key.pkcs8())
                self._identity_due = node_codec.instant(answer.renew_at)
                return
            await asyncio.sleep(TICK_SECONDS)

    def _is_due(self, held: tuple[X509Svid, datetime] | None, at: datetime) -> bool:
        if held is None:
            return True
        due = brought_forward(*held, self._leaving)
        return due is None or at >= due

    async def _renew(self, names: list[str], line: Line) -> None:
        orders = [
            node_pb2.X509Order(spiffe_id=str(self._ids[name]), csr=LeafKey.generate(KeyKind.P256).csr())
            for name in names
        ]
        answer = await line.stub.IssueX509(node_pb2.X509Orders(orders=orders))
        held = []
        for name, result in zip(names, answer.results, strict=True):
            if not result.HasField("issued"):  # told to come at its turn
                continue
            svid = X509Svid.from_der(tuple(result.issued.chain))
            self._leaves[name] = svid, node_codec.instant(result.issued.renew_at)
            held.append((f"sidecar bench/{name}", f"secret/{self._ids[name]}", _digest(svid)))
        await self._report(line, held)
        if len(self._leaves) == len(self._ids):
            self.holds_all.set()

    async def _report(self, line: Line, held: Iterable[tuple[str, str, str]]) -> None:
        since = node_codec.timestamp(self._clock.now())
        holdings = [
            node_pb2.Holding(participant=participant, thing=thing, desired=digest, held=digest, since=since)
            for participant, thing, digest in held
        ]
        await line.say(node_pb2.Report(holdings=node_pb2.Holdings(holdings=holdings)))


def _digest(svid: X509Svid) -> str:
    return hashlib.sha256(svid.der()[0]).hexdigest()
