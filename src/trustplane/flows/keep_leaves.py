"""Keeping every entry of this node supplied with a valid SVID.

Leaf keys are made here and never sent. A leaf is taken into use only when it verifies against the bundle the node
trusts, now, and is renewed at once when a change of bundles leaves it without anyone to vouch for it. Failures are
retried with jitter, never given up, and touch only the entry that failed; a leaf that cannot be renewed is used until
it expires, and not a moment longer. Leaves kept from before a restart are used as if the agent had never stopped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Broken, Fault, Refused
from trustplane.flows.feed import Feed
from trustplane.flows.node_link import LeafIssued, LeafOrder, Link
from trustplane.flows.remember_identities import KeptLeaf
from trustplane.flows.retry import Patience, asked
from trustplane.flows.serve_identities import HeldIdentities
from trustplane.flows.withdrawn import revoked_of
from trustplane.registry.model import KeyKind
from trustplane.registry.view import Entry, NodeView, TrustedBundle, Withdrawn
from trustplane.rotation.leaving import brought_forward
from trustplane.rotation.renewal import followed, urgent
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.revoked import Revoked
from trustplane.spiffe.verify import BundleSet, verify_x509
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

ORDERS_A_CALL = 200
LONGEST_WAIT = timedelta(seconds=30)
LONGEST_TRY = timedelta(minutes=10)  # what a server may ask for
LONGEST_SLEEP = timedelta(seconds=60)  # after a suspend the clock may have jumped past every instant we slept for


class LeafKey(Protocol):
    def csr(self) -> bytes:
        """DER PKCS#10 that proves possession."""
        ...

    def pkcs8(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry's SVID, or why there is none yet."""

    entry: Entry
    keyed: KeyedSvid | None = None
    renew_at: datetime | None = None
    try_at: datetime | None = None
    last_fault: Fault | None = None
    renewals: int = 0
    revoked: bool = False

    def due(self) -> datetime | None:
        """When the next attempt is to be made; none for at once."""
        return self.try_at or self.renew_at

    def usable(self, at: datetime) -> KeyedSvid | None:
        if self.keyed is None or self.revoked:
            return None
        return self.keyed if self.keyed.svid.not_before <= at < self.keyed.svid.not_after else None

    def after(self, withdrawn: Withdrawn) -> Leaf:
        """Used no more once it is revoked, and due at once; due sooner when its issuer is leaving."""
        if self.keyed is None:
            return self
        revoked = revoked_of(withdrawn).finding(self.keyed.svid) is not None
        if revoked and not self.revoked:
            return replace(self, revoked=True, renew_at=None, try_at=None)
        renew_at = brought_forward(self.keyed.svid, self.renew_at, withdrawn.leaving)
        return replace(self, revoked=revoked, renew_at=renew_at)

    def described_by(self, entry: Entry) -> Leaf:
        """A changed profile asks for a new leaf; the old one serves until it is there."""
        same = self.entry.key is entry.key and self.entry.profile == entry.profile
        return replace(self, entry=entry, renew_at=self.renew_at if same else None)


@dataclass(frozen=True, slots=True)
class _Ordered:
    """A leaf under way, and the key made for it."""

    leaf: Leaf
    csr: bytes
    pkcs8: bytes = field(repr=False)


class KeepLeaves:
    def __init__(
        self,
        dial: Callable[[], Awaitable[Link]],
        fresh_key: Callable[[KeyKind], LeafKey],
        views: Feed[NodeView | None],
        identities: Feed[HeldIdentities],
        clock: Clock,
    ) -> None:
        self._dial = dial
        self._fresh_key = fresh_key
        self._views = views
        self._identities = identities
        self._clock = clock
        self._leaves: Feed[Mapping[SpiffeId, Leaf]] = Feed({})
        self._patience: dict[SpiffeId, Patience] = {}
        self._bundles: BundleSet | None = None
        self.failures: Counter[str] = Counter()  # of attempts, by code
        self._withdrawn = Withdrawn()
        self._log = structlog.get_logger("leaves")

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return tuple(self._leaves.value.values())

    @property
    def changes(self) -> Feed[Mapping[SpiffeId, Leaf]]:
        return self._leaves

    def kept(self) -> tuple[KeptLeaf, ...]:
        """What `restore` takes."""
        return tuple(KeptLeaf(leaf.keyed, leaf.renew_at, leaf.renewals) for leaf in self.leaves if leaf.keyed)

    def restore(self, view: NodeView, kept: Iterable[KeptLeaf]) -> None:
        """Begin with the leaves of before a restart, and have them served before anything is asked of a server."""
        entries = {entry.spiffe_id: entry for entry in view.entries}
        known = {
            one.keyed.svid.spiffe_id: Leaf(
                entries[one.keyed.svid.spiffe_id], one.keyed, one.renew_at, renewals=one.renewals
            )
            for one in kept
            if one.keyed.svid.spiffe_id in entries
        }
        self._leaves.publish(known)
        self._adopt(view)
        self._publish_usable(self._clock.now())

    async def run(self, random: Random, latest: Callable[[], datetime] | None = None) -> None:
        """`latest` is the later of our clock and the server's, by which leaves are due; what is valid, ours decides."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_views())
            tasks.create_task(self._publish_what_is_usable())
            await self._renew_what_is_due(random, latest or self._clock.now)

    async def _follow_views(self) -> None:
        async for view in self._views.values():
            if view is not None:
                self._adopt(view)

    def _adopt(self, view: NodeView) -> None:
        """Take over what the view says: new entries, changed entries, gone entries, bundles."""
        bundles = self._decoded(view.bundles)
        known = self._leaves.value
        kept = {
            entry.spiffe_id: known[entry.spiffe_id].described_by(entry) if entry.spiffe_id in known else Leaf(entry)
            for entry in view.entries
        }
        if bundles != self._bundles:
            at = self._clock.now()
            kept = {spiffe_id: _with_someone_to_vouch(leaf, bundles, at) for spiffe_id, leaf in kept.items()}
            self._bundles = bundles
        self._withdrawn = view.withdrawn
        kept = {spiffe_id: leaf.after(view.withdrawn) for spiffe_id, leaf in kept.items()}
        self._patience = {spiffe_id: one for spiffe_id, one in self._patience.items() if spiffe_id in kept}
        self._leaves.publish(kept)

    def _decoded(self, told: Sequence[TrustedBundle]) -> BundleSet:
        """The bundles told. One that cannot be read leaves what was held of its domain as it is."""
        found: dict[TrustDomain, Bundle] = {}
        for one in told:
            try:
                found[one.trust_domain] = bundle_document.decode(one.document, one.trust_domain)
            except Fault as fault:
                self._log.error("bundle not understood", trust_domain=str(one.trust_domain), code=fault.code)
                if self._bundles is not None and one.trust_domain in self._bundles:
                    found[one.trust_domain] = self._bundles[one.trust_domain]
        return BundleSet(found)

    async def _publish_what_is_usable(self) -> None:
        """At every change, and at every expiry whatever else goes on."""
        while True:
            at = self._clock.now()
            self._publish_usable(at)
            await self._pause([_next_boundary(leaf.keyed.svid, at) for leaf in self.leaves if leaf.keyed])

    def _publish_usable(self, at: datetime) -> None:
        if self._bundles is None:
            return
        usable = tuple((leaf.entry, leaf.usable(at)) for leaf in self.leaves)
        held = HeldIdentities(usable, self._bundles, self._withdrawn)
        if held != self._identities.value:
            self._identities.publish(held)

    async def _renew_what_is_due(self, random: Random, latest: Callable[[], datetime]) -> None:
        line = Patience(LONGEST_WAIT, random)
        while True:
            at, now = latest(), self._clock.now()
            if due := self._due(at):
                await self._renew(due, line, random)
            else:
                await self._pause([(leaf.due() or at) - (at - now) for leaf in self.leaves])

    def _due(self, at: datetime) -> list[Leaf]:
        waiting = [leaf for leaf in self.leaves if _is_due(leaf, at)]
        # Nearest expiry first: what has nothing, or the least time left, must not wait behind the rest.
        waiting.sort(key=lambda leaf: leaf.keyed.svid.not_after if leaf.keyed else at)
        return waiting[:ORDERS_A_CALL]

    async def _pause(self, instants: Iterable[datetime]) -> None:
        """Until the leaves move or the first of these instants comes."""
        moved = asyncio.ensure_future(self._leaves.moved())
        at = self._clock.now()
        pause = min([LONGEST_SLEEP, *(instant - at for instant in instants)])
        sleeping = asyncio.ensure_future(self._clock.sleep(max(pause, timedelta(0))))
        try:
            await asyncio.wait((moved, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            moved.cancel()
            sleeping.cancel()

    async def _renew(self, due: Sequence[Leaf], line: Patience, random: Random) -> None:
        ordered = [await self._order(leaf) for leaf in due]
        try:
            link = await self._dial()
            outcomes = await link.issue([LeafOrder(one.leaf.entry.spiffe_id, one.csr) for one in ordered])
        except Fault as fault:
            # It is the line that failed, not one of them: they are asked for together again.
            self.failures[fault.code] += len(due)
            at, wait = self._clock.now(), line.next_wait()
            self._log.warning("leaves not renewed", count=len(due), code=fault.code, what=fault.finding.what)
            self._put([_failed(leaf, fault, _next_try(leaf, at, wait, fault)) for leaf in due])
            return
        line.start_over()
        self._put([self._settled(one, outcome, random) for one, outcome in zip(ordered, outcomes, strict=True)])

    async def _order(self, leaf: Leaf) -> _Ordered:
        def made() -> _Ordered:
            key = self._fresh_key(leaf.entry.key)
            return _Ordered(leaf, key.csr(), key.pkcs8())

        # Only P-256 keys are made faster than a thread is asked; an RSA key takes a tenth of a second.
        return made() if leaf.entry.key is KeyKind.P256 else await asyncio.to_thread(made)

    def _put(self, changed: Sequence[Leaf]) -> None:
        """What was under way meets what the view says by now: an entry that went is not brought back."""
        leaves = dict(self._leaves.value)
        for leaf in changed:
            now = leaves.get(leaf.entry.spiffe_id)
            if now is not None:
                leaves[leaf.entry.spiffe_id] = leaf.described_by(now.entry).after(self._withdrawn)
        self._leaves.publish(leaves)

    def _settled(self, ordered: _Ordered, outcome: LeafIssued | Fault, random: Random) -> Leaf:
        leaf, at = ordered.leaf, self._clock.now()
        patience = self._patience.setdefault(leaf.entry.spiffe_id, Patience(LONGEST_WAIT, random))
        accepted = outcome if isinstance(outcome, Fault) else self._accepted(ordered, outcome, at)
        if isinstance(accepted, Fault):
            self.failures[accepted.code] += 1
            if leaf.last_fault is None or leaf.last_fault.code != accepted.code:
                said = {"id": str(leaf.entry.spiffe_id), "code": accepted.code, "what": accepted.finding.what}
                self._log.warning("leaf not renewed", **said)
            return _failed(leaf, accepted, _next_try(leaf, at, patience.next_wait(), accepted))
        patience.start_over()
        return accepted

    def _accepted(self, ordered: _Ordered, issued: LeafIssued, at: datetime) -> Leaf | Fault:
        leaf = ordered.leaf
        try:
            keyed = KeyedSvid(issued.svid, ordered.pkcs8)
            _check_clock(issued.svid, at)
            self._check(leaf.entry.spiffe_id, issued.svid, at)
        except Fault as fault:
            return fault
        renew_at = followed(issued.renew_at, at, issued.svid.not_after)
        return Leaf(leaf.entry, keyed, renew_at, renewals=leaf.renewals + bool(leaf.keyed))

    @property
    def _revoked(self) -> Revoked:
        return revoked_of(self._withdrawn)

    def _check(self, spiffe_id: SpiffeId, svid: X509Svid, at: datetime) -> None:
        if self._bundles is None or verify_x509(svid, self._bundles, at, self._revoked) != spiffe_id:
            raise Broken(
                code="leaf-for-another",
                what=f"asked for {spiffe_id} and was given {svid.spiffe_id}",
                why="an agent uses only what it asked for",
                fix="look at the server's audit log for this serial and report it",
            )


def _next_try(leaf: Leaf, at: datetime, wait: timedelta, fault: Fault) -> datetime:
    left = leaf.keyed.svid.not_after - at if leaf.keyed else timedelta(0)
    return at + urgent(wait, asked(fault) or timedelta(0), left)


def _is_due(leaf: Leaf, at: datetime) -> bool:
    # A next attempt further off than any wait means that the clock was set back meanwhile.
    return (leaf.try_at is not None and leaf.try_at - at > LONGEST_TRY) or (leaf.due() or at) <= at


def _next_boundary(svid: X509Svid, at: datetime) -> datetime:
    """When its validity begins or ends, by this clock."""
    if at < svid.not_before:
        return svid.not_before
    return svid.not_after if at < svid.not_after else at + LONGEST_SLEEP


def _check_clock(svid: X509Svid, at: datetime) -> None:
    """A fresh leaf that is not valid now was made by a clock that is not ours."""
    if at < svid.not_before:
        raise Refused(
            code="clock-behind",
            what=f"the new SVID of {svid.spiffe_id} is valid from {svid.not_before:%Y-%m-%d %H:%M:%S} UTC",
            why=f"by this machine's clock that is {svid.not_before - at} ahead: it is behind the server's",
            fix="set both clocks, for example with chronyc makestep; the agent goes on by itself",
        )
    if at >= svid.not_after:
        raise Refused(
            code="clock-ahead",
            what=f"the new SVID of {svid.spiffe_id} expired at {svid.not_after:%Y-%m-%d %H:%M:%S} UTC",
            why=f"by this machine's clock that was {at - svid.not_after} ago: it is ahead of the server's",
            fix="set both clocks, for example with chronyc makestep; the agent goes on by itself",
        )


def _with_someone_to_vouch(leaf: Leaf, bundles: BundleSet, at: datetime) -> Leaf:
    """Due at once when these bundles do not vouch for it. It serves on: those who still trust it are better off."""
    if leaf.usable(at) is None or leaf.keyed is None:
        return leaf
    try:
        verify_x509(leaf.keyed.svid, bundles, at)
    except Fault:
        return replace(leaf, renew_at=None, try_at=None)
    return leaf


def _failed(leaf: Leaf, fault: Fault, try_at: datetime) -> Leaf:
    # Without its traceback, which would keep every frame below it, and the keys there, for as long as it is shown.
    return replace(leaf, try_at=try_at, last_fault=fault.with_traceback(None))
