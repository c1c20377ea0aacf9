"""The agent's own identity: loaded, earned by enrolment, renewed, and used to reach a server.

The identity is kept on disk as one file, replaced whole, so that a restart never finds half of it. A node whose SVID
has expired while no server could be reached proves itself anew with the evidence it has, and says which command is
needed when it has none left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.keep_leaves import LeafKey
from trustplane.flows.node_link import Link, NodeIdentity
from trustplane.flows.retry import Patience
from trustplane.registry.model import KeyKind
from trustplane.registry.view import NodeView
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.names import node_of
from trustplane.spiffe.verify import BundleSet, verify_x509
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

LONGEST_WAIT = timedelta(seconds=30)
LONGEST_SLEEP = timedelta(seconds=60)

Answer = tuple[X509Svid, datetime, bytes]


class IdentityFile(Protocol):
    def load(self) -> NodeIdentity | None: ...

    def save(self, identity: NodeIdentity) -> None: ...


class KeepNodeIdentity:
    def __init__(
        self,
        file: IdentityFile,
        enrol: Callable[[bytes], Awaitable[Answer]],
        fresh_key: Callable[[KeyKind], LeafKey],
        clock: Clock,
    ) -> None:
        self._file = file
        self._enrol = enrol
        self._fresh_key = fresh_key
        self._clock = clock
        self._log = structlog.get_logger("node")
        self.identity: Feed[NodeIdentity | None] = Feed(None)
        self.last_fault: Fault | None = None

    async def obtain(self, random: Random) -> NodeIdentity:
        """The identity on disk when it is still valid, else one earned by enrolment, however long that takes."""
        known = self._file.load()
        if known is not None and self._clock.now() < known.keyed.svid.not_after:
            self.identity.publish(known)
            return known
        patience = Patience(LONGEST_WAIT, random)
        while True:
            try:
                return await self._adopt(self._enrol)
            except Unavailable as fault:
                self._failed("not enrolled yet", fault)
                await self._clock.sleep(patience.next_wait(fault.retry_after))

    async def run(self, dial: Callable[[], Awaitable[Link]], random: Random) -> None:
        """Renew for ever."""
        patience = Patience(LONGEST_WAIT, random)
        while True:
            current = self.identity.value or await self.obtain(random)
            wait = current.renew_at - self._clock.now()
            if wait > timedelta(0):
                await self._clock.sleep(min(wait, LONGEST_SLEEP))
                continue
            try:
                await self._renew(current, dial)
                patience.start_over()
            except (Unavailable, Refused) as fault:
                self._failed("node identity not renewed", fault)
                await self._clock.sleep(patience.next_wait())

    async def _renew(self, current: NodeIdentity, dial: Callable[[], Awaitable[Link]]) -> None:
        if self._clock.now() < current.keyed.svid.not_after:
            link = await dial()
            await self._adopt(link.renew_node)
        else:
            await self._adopt(self._enrol)

    async def _adopt(self, ask: Callable[[bytes], Awaitable[Answer]]) -> NodeIdentity:
        key = self._fresh_key(KeyKind.P256)
        svid, renew_at, document = await ask(key.csr())
        bundle = bundle_document.decode(document, svid.spiffe_id.trust_domain)
        verify_x509(svid, BundleSet({bundle.trust_domain: bundle}), self._clock.now())
        node_of(svid.spiffe_id)
        identity = NodeIdentity(KeyedSvid(svid, key.pkcs8()), renew_at, document)
        self._file.save(identity)
        self.identity.publish(identity)
        self.last_fault = None
        self._log.info("node identity", id=str(svid.spiffe_id), serial=f"{svid.serial:x}", until=str(svid.not_after))
        return identity

    async def remember(self, views: Feed[NodeView | None]) -> None:
        """Keep the own trust domain's newest bundle with the identity, so that servers are known by it ever after."""
        async for view in views.values():
            known = self.identity.value
            if view is None or known is None:
                continue
            own = known.keyed.svid.spiffe_id.trust_domain
            newest = next((one.document for one in view.bundles if one.trust_domain == own), None)
            if newest is not None and newest != known.bundle_document:
                identity = replace(known, bundle_document=newest)
                self._file.save(identity)
                self.identity.publish(identity)

    def _failed(self, event: str, fault: Fault) -> None:
        if self.last_fault is None or self.last_fault.code != fault.code:
            self._log.warning(event, code=fault.code, what=fault.finding.what, fix=fault.finding.fix)
        self.last_fault = fault


class ClosableLink(Link, Protocol):
    async def close(self) -> None: ...


class KeepLink:
    """The one open link, dialled over the known addresses in turn and anew when the node's identity changes."""

    def __init__(
        self,
        addresses: Sequence[str],
        connect: Callable[[str, NodeIdentity, Bundle], Awaitable[ClosableLink]],
        identity: Feed[NodeIdentity | None],
    ) -> None:
        self._addresses = list(addresses)
        self._connect = connect
        self._identity = identity
        self._dialling = asyncio.Lock()
        self._open: tuple[NodeIdentity, ClosableLink] | None = None

    @property
    def address(self) -> str | None:
        """Where the open link goes."""
        return self._addresses[0] if self._open else None

    async def dial(self) -> Link:
        identity = self._identity.value
        if identity is None:
            raise Unavailable(
                code="not-enrolled",
                what="this node has no identity yet",
                why="it has not enrolled, or waits for a server to enrol with",
                fix="trustplane agent status shows what it waits for",
            )
        async with self._dialling:
            if self._open is not None and self._open[0] is identity:
                return self._open[1]
            await self._close()
            link = await self._connect_any(identity)
            self._open = (identity, link)
            return link

    async def drop(self) -> None:
        """Close the link; the next dial begins at the next address."""
        if self._open is not None:
            self._addresses.append(self._addresses.pop(0))
        await self._close()

    async def _close(self) -> None:
        if self._open is not None:
            link = self._open[1]
            self._open = None
            await link.close()

    async def _connect_any(self, identity: NodeIdentity) -> ClosableLink:
        bundle = bundle_document.decode(identity.bundle_document, identity.keyed.svid.spiffe_id.trust_domain)
        faults: list[Fault] = []
        for _ in range(len(self._addresses)):
            try:
                return await self._connect(self._addresses[0], identity, bundle)
            except (Unavailable, Refused) as fault:
                faults.append(fault)
                self._addresses.append(self._addresses.pop(0))
        raise faults[0]
