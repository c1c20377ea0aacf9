"""Keeping every entry of this node supplied with a valid SVID.

Leaf keys are made here and never sent. A leaf is used only when it verifies against the bundle the node trusts, now.
Failures are retried with jitter, never given up, and touch only the entry that failed; a leaf that cannot be renewed
stays in use until it expires.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Broken, Fault, Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node_link import LeafIssued, LeafOrder, Link
from trustplane.flows.retry import Patience
from trustplane.flows.serve_identities import HeldIdentities
from trustplane.registry.model import KeyKind
from trustplane.registry.view import Entry, NodeView
from trustplane.spiffe import bundle_document
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.verify import BundleSet, verify_x509
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

ORDERS_A_CALL = 200
LONGEST_WAIT = timedelta(seconds=30)
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

    def due(self) -> datetime | None:
        """When the next attempt is to be made; none for at once."""
        return self.try_at or self.renew_at

    def usable(self, at: datetime) -> KeyedSvid | None:
        return self.keyed if self.keyed and at < self.keyed.svid.not_after else None


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
        self._leaves: dict[SpiffeId, Leaf] = {}
        self._patience: dict[SpiffeId, Patience] = {}
        self._bundles: BundleSet | None = None
        self._log = structlog.get_logger("leaves")

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return tuple(self._leaves.values())

    async def run(self, random: Random) -> None:
        while True:
            moved = asyncio.ensure_future(self._views.moved())
            try:
                self._adopt(self._views.value)
                due = self._due(self._clock.now())
                if due:
                    await self._renew(due, random)
                else:
                    await self._sleep_until_due(moved)
            finally:
                moved.cancel()

    def _adopt(self, view: NodeView | None) -> None:
        """Take over what the view says: new entries, changed entries, gone entries, bundles."""
        if view is None:
            return
        bundles = BundleSet(
            {one.trust_domain: bundle_document.decode(one.document, one.trust_domain) for one in view.bundles}
        )
        kept: dict[SpiffeId, Leaf] = {}
        for entry in view.entries:
            known = self._leaves.get(entry.spiffe_id)
            if known is None or known.entry.key is not entry.key or known.entry.profile != entry.profile:
                # A changed profile asks for a new leaf; the old one serves until it is there.
                kept[entry.spiffe_id] = replace(known, entry=entry, renew_at=None) if known else Leaf(entry)
            else:
                kept[entry.spiffe_id] = replace(known, entry=entry)
        if kept != self._leaves or bundles != self._bundles:
            self._leaves = kept
            self._bundles = bundles
            self._patience = {key: value for key, value in self._patience.items() if key in kept}
            self._publish()

    def _publish(self) -> None:
        if self._bundles is not None:
            at = self._clock.now()
            held = tuple((leaf.entry, leaf.usable(at)) for leaf in self._leaves.values())
            self._identities.publish(HeldIdentities(held, self._bundles))

    def _due(self, at: datetime) -> list[Leaf]:
        waiting = [leaf for leaf in self._leaves.values() if (leaf.due() or at) <= at]
        # Nearest expiry first: what has nothing, or the least time left, must not wait behind the rest.
        waiting.sort(key=lambda leaf: leaf.keyed.svid.not_after if leaf.keyed else at)
        return waiting[:ORDERS_A_CALL]

    async def _sleep_until_due(self, moved: asyncio.Future[object]) -> None:
        at = self._clock.now()
        instants = [due for leaf in self._leaves.values() if (due := leaf.due()) is not None]
        pause = min([LONGEST_SLEEP, *(instant - at for instant in instants)])
        sleeping = asyncio.ensure_future(self._clock.sleep(max(pause, timedelta(0))))
        try:
            await asyncio.wait((moved, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()

    async def _renew(self, due: Sequence[Leaf], random: Random) -> None:
        keys = [self._fresh_key(leaf.entry.key) for leaf in due]
        orders = [LeafOrder(leaf.entry.spiffe_id, key.csr()) for leaf, key in zip(due, keys, strict=True)]
        try:
            link = await self._dial()
            outcomes: Sequence[LeafIssued | Fault] = await link.issue(orders)
        except (Unavailable, Refused) as fault:
            outcomes = [fault] * len(due)
        for leaf, key, outcome in zip(due, keys, outcomes, strict=True):
            self._settle(leaf, key, outcome, random)
        self._publish()

    def _settle(self, leaf: Leaf, key: LeafKey, outcome: LeafIssued | Fault, random: Random) -> None:
        spiffe_id = leaf.entry.spiffe_id
        if spiffe_id not in self._leaves:
            return  # the entry went while its leaf was under way
        patience = self._patience.setdefault(spiffe_id, Patience(LONGEST_WAIT, random))
        at = self._clock.now()
        try:
            if isinstance(outcome, Fault):
                raise outcome
            keyed = KeyedSvid(outcome.svid, key.pkcs8())
            self._check(spiffe_id, outcome.svid, at)
        except Fault as fault:
            asked = fault.retry_after if isinstance(fault, Unavailable) else None
            try_at = at + patience.next_wait(asked)
            self._leaves[spiffe_id] = replace(leaf, try_at=try_at, last_fault=fault)
            self._log.warning("leaf not renewed", id=str(spiffe_id), code=fault.code, what=fault.finding.what)
            return
        patience.start_over()
        self._leaves[spiffe_id] = Leaf(leaf.entry, keyed, outcome.renew_at, renewals=leaf.renewals + bool(leaf.keyed))

    def _check(self, spiffe_id: SpiffeId, svid: X509Svid, at: datetime) -> None:
        if self._bundles is None or verify_x509(svid, self._bundles, at) != spiffe_id:
            raise Broken(
                code="leaf-for-another",
                what=f"asked for {spiffe_id} and was given {svid.spiffe_id}",
                why="an agent uses only what it asked for",
                fix="look at the server's audit log for this serial and report it",
            )
