"""The agent's own identity: loaded, earned by enrolment, renewed, and used to reach a server.

The identity is kept on disk as one file, replaced whole, so that a restart never finds half of it. A node whose SVID
has expired while no server could be reached, or that slept through a change of root and knows no server any more,
proves itself anew with the evidence it has. When it has none left it says which command is needed, serves on what it
still holds, and takes up new evidence by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault, Finding, Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.leaf import LeafKey
from trustplane.flows.node.node_link import SERVER_NOT_TRUSTED, Link, NodeIdentity
from trustplane.flows.retry import Patience, asked
from trustplane.registry.model import KeyKind
from trustplane.registry.view import LeavingIssuer, NodeView
from trustplane.rotation.leaving import brought_forward
from trustplane.rotation.renewal import followed
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
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
        own: SpiffeId,
        file: IdentityFile,
        enrol: Callable[[bytes, NodeIdentity | None], Awaitable[Answer]],
        fresh_key: Callable[[KeyKind], LeafKey],
        clock: Clock,
    ) -> None:
        """`own` is the ID this node must have: one earned with another node's evidence is refused.

        `enrol` takes a CSR and the expired identity of before, if there is one.
        """
        self._own = own
        self._file = file
        self._enrol = enrol
        self._fresh_key = fresh_key
        self._clock = clock
        self._unsaved = False
        self._left_behind = False
        self._leaving: tuple[LeavingIssuer, ...] = ()
        self._hastened = asyncio.Event()
        self._log = structlog.get_logger("node")
        self.identity: Feed[NodeIdentity | None] = Feed(None)
        self.last_fault: Fault | None = None

    async def obtain(self, random: Random) -> NodeIdentity:
        """The identity on disk when it is still valid, else one earned by enrolment, however long that takes."""
        known = self._file.load()
        if known is not None:
            self._check_own(known.keyed.svid)
            if self._clock.now() < known.keyed.svid.not_after:
                self.identity.publish(known)
                return known
        patience = Patience(LONGEST_WAIT, random)
        while True:
            try:
                return await self._adopt(lambda csr: self._enrol(csr, known))
            except Unavailable as fault:
                self._failed("not enrolled yet", fault)
                await self._clock.sleep(patience.next_wait(fault.retry_after))
            except Refused as fault:
                if known is None:
                    raise
                self._failed("not enrolled anew", self._expired(known, fault))
                await self._clock.sleep(patience.next_wait())

    async def run(self, dial: Callable[[], Awaitable[Link]], random: Random) -> None:
        """Renew for ever."""
        patience = Patience(LONGEST_WAIT, random)
        while True:
            current = self.identity.value or await self.obtain(random)
            if self._unsaved:
                self._keep(current)
            svid = current.keyed.svid
            due = brought_forward(svid, current.renew_at, self._leaving) or current.renew_at
            wait = due - self._clock.now()
            if wait > timedelta(0) and not self._left_behind:
                await self._pause(min(wait, LONGEST_SLEEP))
                continue
            try:
                await self._renew(current, dial)
                patience.start_over()
            except Fault as fault:
                self._failed("node identity not renewed", fault)
                await self._clock.sleep(patience.next_wait(asked(fault)))

    async def _pause(self, wait: timedelta) -> None:
        """Until then, or until the authorities that leave are others."""
        hastened = asyncio.ensure_future(self._hastened.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(wait))
        try:
            await asyncio.wait((hastened, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hastened.cancel()
            sleeping.cancel()
        self._hastened.clear()

    def know_no_server(self) -> None:
        """No server can be had, and one shows a root not trusted here: try once what else this node is believed by."""
        self._left_behind = True
        self._hastened.set()

    async def _renew(self, current: NodeIdentity, dial: Callable[[], Awaitable[Link]]) -> None:
        if self._left_behind:
            self._left_behind = False
            await self._return(current)
            return
        if self._clock.now() < current.keyed.svid.not_after:
            link = await dial()
            await self._adopt(link.renew_node)
            return
        try:
            await self._adopt(lambda csr: self._enrol(csr, current))
        except Refused as fault:
            raise self._expired(current, fault) from None

    async def _return(self, current: NodeIdentity) -> None:
        try:
            await self._adopt(lambda csr: self._enrol(csr, current))
        except Fault as fault:
            if isinstance(fault, Unavailable) and fault.code != SERVER_NOT_TRUSTED:
                raise
            raise self._unknown_servers(fault) from None

    async def _adopt(self, ask: Callable[[bytes], Awaitable[Answer]]) -> NodeIdentity:
        key = self._fresh_key(KeyKind.P256)
        svid, renew_at, document = await ask(key.csr())
        self._check_own(svid)
        bundle = bundle_document.decode(document, svid.spiffe_id.trust_domain)
        at = self._clock.now()
        verify_x509(svid, BundleSet({bundle.trust_domain: bundle}), at)
        identity = NodeIdentity(KeyedSvid(svid, key.pkcs8()), followed(renew_at, at, svid.not_after), document)
        self.last_fault = None
        self._keep(identity)
        self._log.info("node identity", id=str(svid.spiffe_id), serial=f"{svid.serial:x}", until=str(svid.not_after))
        return identity

    def _keep(self, identity: NodeIdentity) -> None:
        """Use it, and save it if that can be: a full disk must not cost a node the identity its token was spent on."""
        try:
            self._file.save(identity)
            if self._unsaved:
                self._unsaved, self.last_fault = False, None
        except Unavailable as fault:
            self._unsaved = True
            self._failed("node identity not saved", fault)
        if identity is not self.identity.value:
            self.identity.publish(identity)

    async def remember(self, views: Feed[NodeView | None]) -> None:
        """Keep the own trust domain's newest bundle with the identity, so that servers are known by it ever after.

        And mind which authorities leave: an identity that one of them signed is renewed before its time.
        """
        async for view in views.values():
            known = self.identity.value
            if view is None or known is None:
                continue
            if view.withdrawn.leaving != self._leaving:
                self._leaving = view.withdrawn.leaving
                self._hastened.set()
            newest = next((one.document for one in view.bundles if one.trust_domain == self._own.trust_domain), None)
            if newest is not None and newest != known.bundle_document and self._can_know_servers_by(newest):
                self._keep(replace(known, bundle_document=newest))

    def _can_know_servers_by(self, document: bytes) -> bool:
        try:
            return bool(bundle_document.decode(document, self._own.trust_domain).x509_authorities)
        except Fault as fault:
            self._log.error("bundle not understood", code=fault.code, what=fault.finding.what)
            return False

    def _check_own(self, svid: X509Svid) -> None:
        if svid.spiffe_id != self._own:
            raise Refused(
                code="identity-of-another-node",
                what=f"this agent is {self._own} and was given the identity of {svid.spiffe_id}",
                why="the token, the certificate or the data directory is another node's",
                fix=f"start it with evidence made for {node_of(self._own)} and a data directory of its own",
            )

    def _expired(self, known: NodeIdentity, fault: Refused) -> Refused:
        node = node_of(self._own)
        expired = Finding(
            code="node-identity-expired",
            what=f"the identity of node {node} expired at {known.keyed.svid.not_after:%Y-%m-%d %H:%M:%S} UTC",
            why="no server renewed it in time, and enrolling anew was refused",
            fix=f"trustplane server token create {node}, and put the token where --join-token-file says; no restart",
        )
        return Refused.all_of((expired, *fault.findings))

    def _unknown_servers(self, fault: Fault) -> Refused:
        node = node_of(self._own)
        left_behind = Finding(
            code="node-left-behind",
            what=f"node {node} trusts none of the roots that its servers show",
            why="the root was changed while this node was away, or these are not its servers",
            fix="trustplane server bundle, and put it where --bundle-file says; then trustplane server token create "
            f"{node}, and put the token where --join-token-file says; no restart",
        )
        return Refused.all_of((left_behind, *fault.findings))

    def _failed(self, event: str, fault: Fault) -> None:
        if self.last_fault is None or self.last_fault.code != fault.code:
            self._log.warning(event, code=fault.code, what=fault.finding.what, fix=fault.finding.fix)
        self.last_fault = fault.with_traceback(None)


class ClosableLink(Link, Protocol):
    async def close(self) -> None: ...


class KeepLink:
    """The one open link, dialled over the known addresses in turn and anew when the node's identity changes."""

    def __init__(
        self,
        addresses: Sequence[str],
        connect: Callable[[str, NodeIdentity, Bundle], Awaitable[ClosableLink]],
        identity: Feed[NodeIdentity | None],
        strangers: Callable[[], None] = lambda: None,
    ) -> None:
        """`strangers` is called when no server can be had and the trusted roots do not vouch for one that answered."""
        self._addresses = list(addresses)
        self._connect = connect
        self._identity = identity
        self._strangers = strangers
        self._dialling = asyncio.Lock()
        self._open: tuple[NodeIdentity, ClosableLink] | None = None

    @property
    def address(self) -> str | None:
        """Where the open link goes."""
        return self._addresses[0] if self._open else None

    async def dial(self) -> Link:
        async with self._dialling:
            identity = self._known()
            if self._open is not None and self._open[0] is identity:
                return self._open[1]
            await self.close()
            link = await self._connect_any(identity)
            self._open = (identity, link)
            return link

    def _known(self) -> NodeIdentity:
        if self._identity.value is None:
            raise Unavailable(
                code="not-enrolled",
                what="this node has no identity yet",
                why="it has not enrolled, or waits for a server to enrol with",
                fix="trustplane agent status shows what it waits for",
            )
        return self._identity.value

    @asynccontextmanager
    async def line(self, place: int) -> AsyncIterator[Link]:
        """A link to the server so many addresses after the open one, which stays open; any other is closed again."""
        if place == 0:
            yield await self.dial()
            return
        identity = self._known()
        address = self._addresses[place % len(self._addresses)]
        link = await self._connect(address, identity, _bundle_of(identity))
        try:
            yield link
        finally:
            await link.close()

    async def drop(self, link: Link) -> None:
        """Close this link if it is still the open one; the next dial begins at the next address."""
        if self._open is not None and self._open[1] is link:
            self._addresses.append(self._addresses.pop(0))
            await self.close()

    async def close(self) -> None:
        if self._open is not None:
            link = self._open[1]
            self._open = None
            await link.close()

    async def _connect_any(self, identity: NodeIdentity) -> ClosableLink:
        bundle = _bundle_of(identity)
        faults: list[Fault] = []
        for _ in self._addresses:
            address = self._addresses[0]
            try:
                return await self._connect(address, identity, bundle)
            except (Unavailable, Refused) as fault:
                faults.append(fault)
                self._addresses = [*self._addresses[1:], address]
        if any(one.code == SERVER_NOT_TRUSTED for one in faults):
            self._strangers()
        raise faults[0]


def _bundle_of(identity: NodeIdentity) -> Bundle:
    return bundle_document.decode(identity.bundle_document, identity.keyed.svid.spiffe_id.trust_domain)
