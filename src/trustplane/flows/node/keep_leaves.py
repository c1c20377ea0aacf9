"""Keeping every entry of this node supplied with a valid SVID.

When to ask, whom, and how to go on without an answer is decided by `rotation.node`, one machine for each leaf; here
keys are made, servers asked, and what they answer is checked. Leaf keys are never sent. A leaf is taken into use only
when it verifies against the bundle the node trusts, now, and is renewed at once when a change of bundles leaves it
without anyone to vouch for it. One that cannot be renewed is used until it expires, and not a moment longer. Leaves
kept from before a restart are used as if the agent had never stopped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.feed import Feed
from trustplane.flows.node.ask_leaves import AskLeaves, Ordered
from trustplane.flows.node.leaf import Leaf, check_fresh, vouched_for
from trustplane.flows.node.node_link import LeafIssued
from trustplane.flows.node.remember_identities import KeptLeaf
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.flows.node.withdrawn import revoked_of
from trustplane.flows.retry import asked
from trustplane.registry.view import Entry, NodeView, TrustedBundle, Withdrawn
from trustplane.rotation.leaf import Deferred, Failed, Issued, Kept, Moved, Notice, Revoked, Superseded
from trustplane.rotation.leaving import brought_forward
from trustplane.rotation.node import Call, NodeRenewals
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

ORDERS_A_CALL = 200
LONGEST_SLEEP = timedelta(seconds=60)  # after a suspend the clock may have jumped past every instant we slept for
NAMED = 5  # leaves in one line of the log
TURN_GIVEN = "issuing-busy"  # the code of a server that signs for others first, and says when to come


class KeepLeaves:
    def __init__(
        self,
        asking: AskLeaves,
        views: Feed[NodeView | None],
        identities: Feed[HeldIdentities],
        clock: Clock,
        latest: Callable[[], datetime] | None = None,
    ) -> None:
        """`latest` is the later of our clock and the server's, by which leaves are due; what is valid, ours decides."""
        self._asking = asking
        self._renewals: NodeRenewals[SpiffeId] = NodeRenewals(asking.addresses, asking.salt)
        self._views = views
        self._identities = identities
        self._clock = clock
        self._latest = latest or clock.now
        self._leaves: Feed[Mapping[SpiffeId, Leaf]] = Feed({})
        self._bundles: BundleSet | None = None
        self._withdrawn = Withdrawn()
        self._log = structlog.get_logger("leaves")
        self.failures: Counter[str] = Counter()  # of attempts, by code
        self.notices: Counter[Notice] = Counter()
        self._said: str | None = None  # the code that calls fail with

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return tuple(self._leaves.value.values())

    @property
    def late(self) -> int:
        """Leaves whose renewal operators were told is late."""
        return self._renewals.late

    @property
    def changes(self) -> Feed[Mapping[SpiffeId, Leaf]]:
        return self._leaves

    def kept(self) -> tuple[KeptLeaf, ...]:
        """What `restore` takes."""
        return tuple(
            KeptLeaf(leaf.keyed, leaf.renew_at, leaf.renewals, leaf.renewal) for leaf in self.leaves if leaf.keyed
        )

    def restore(self, view: NodeView, kept: Iterable[KeptLeaf]) -> None:
        """Begin with the leaves of before a restart, and have them served before anything is asked of a server."""
        entries = {entry.spiffe_id: entry for entry in view.entries}
        known: dict[SpiffeId, Leaf] = {}
        for one in kept:
            spiffe_id = one.keyed.svid.spiffe_id
            if spiffe_id in entries:
                renewal = _resumed(one)
                self._renewals.begin(spiffe_id, renewal or _at_once(one, self._latest()))
                known[spiffe_id] = Leaf(entries[spiffe_id], one.keyed, renewal, renewals=one.renewals)
        self._leaves.publish(known)
        self._adopt(view)
        self._publish_usable(self._clock.now())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_views())
            tasks.create_task(self._publish_what_is_usable())
            await self._ask_for_what_is_due(tasks)

    async def _follow_views(self) -> None:
        async for view in self._views.values():
            if view is not None:
                self._adopt(view)

    def _adopt(self, view: NodeView) -> None:
        """Take over what the view says: new entries, changed entries, gone entries, bundles."""
        bundles = self._decoded(view.bundles)
        entries = {entry.spiffe_id: entry for entry in view.entries}
        self._renewals.keep_only(entries)
        kept = {spiffe_id: self._described(spiffe_id, entry) for spiffe_id, entry in entries.items()}
        if bundles != self._bundles:
            at = self._clock.now()
            kept = {
                spiffe_id: leaf if vouched_for(leaf, bundles, at) else self._superseded(leaf)
                for spiffe_id, leaf in kept.items()
            }
            self._bundles = bundles
        self._withdrawn = view.withdrawn
        self._leaves.publish({spiffe_id: self._after_withdrawals(leaf) for spiffe_id, leaf in kept.items()})

    def _described(self, spiffe_id: SpiffeId, entry: Entry) -> Leaf:
        """A changed profile asks for a new leaf; the old one serves until it is there."""
        known = self._leaves.value.get(spiffe_id)
        if known is None:
            self._renewals.begin(spiffe_id)
            return Leaf(entry)
        leaf = replace(known, entry=entry)
        same = known.entry.key is entry.key and known.entry.profile == entry.profile
        return leaf if same else self._superseded(leaf)

    def _superseded(self, leaf: Leaf) -> Leaf:
        self._renewals.want(leaf.entry.spiffe_id, Superseded(), self._latest())
        return replace(leaf, renewal=None)

    def _after_withdrawals(self, leaf: Leaf) -> Leaf:
        """Used no more once it is revoked, and asked for at once; due sooner when its issuer is leaving."""
        if leaf.keyed is None:
            return leaf
        spiffe_id = leaf.entry.spiffe_id
        revoked = revoked_of(self._withdrawn).finding(leaf.keyed.svid) is not None
        if revoked and not leaf.revoked:
            self._renewals.want(spiffe_id, Revoked(), self._latest())
            return replace(leaf, revoked=True, renewal=None)
        sooner = brought_forward(leaf.keyed.svid, leaf.renew_at, self._withdrawn.leaving)
        if sooner is not None and sooner != leaf.renew_at:
            self._renewals.want(spiffe_id, Moved(sooner), self._latest())
            leaf = replace(leaf, renewal=self._renewals.kept(spiffe_id))
        return replace(leaf, revoked=revoked)

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

    async def _ask_for_what_is_due(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            at, now = self._latest(), self._clock.now()
            self._renewals.tick(at)
            for call in self._renewals.calls(ORDERS_A_CALL):
                tasks.create_task(self._make(call))
            self._tell()
            due = self._renewals.next_at()
            await self._pause([due - (at - now)] if due else [])

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

    def _tell(self) -> None:
        told: dict[Notice, list[SpiffeId]] = {}
        for spiffe_id, notice in self._renewals.notices():
            told.setdefault(notice, []).append(spiffe_id)
        for notice, ids in told.items():
            self.notices[notice] += len(ids)
            say = self._log.info if notice is Notice.RECOVERED else self._log.warning
            say(notice.value, notice=notice.name.lower(), count=len(ids), ids=[str(one) for one in ids[:NAMED]])

    async def _make(self, call: Call[SpiffeId]) -> None:
        known = self._leaves.value
        ordered = [await self._asking.ordered(known[spiffe_id]) for spiffe_id in call.keys if spiffe_id in known]
        try:
            outcomes = await self._asking.ask(call.lane.address, ordered, call.within)
        except Fault as fault:
            if fault.code != self._said:  # what goes on is counted, and not told at every attempt
                self._log.warning("leaves not renewed", count=len(ordered), code=fault.code, what=fault.finding.what)
            self._said = fault.code
            changed = [self._failed(call, one, fault, asked(fault)) for one in ordered]
        else:
            self._said = None
            changed = [self._settled(call, one, outcome) for one, outcome in zip(ordered, outcomes, strict=True)]
        self._renewals.over(call)
        leaves = dict(self._leaves.value)
        # An entry that went meanwhile is not brought back.
        leaves |= {leaf.entry.spiffe_id: self._after_withdrawals(leaf) for leaf in changed if leaf}
        self._leaves.publish(leaves)

    def _settled(self, call: Call[SpiffeId], ordered: Ordered, outcome: LeafIssued | Fault) -> Leaf | None:
        at, wait = self._clock.now(), asked(outcome) if isinstance(outcome, Fault) else None
        accepted = outcome if isinstance(outcome, Fault) else self._accepted(ordered, outcome, at)
        if not isinstance(accepted, Fault):
            return accepted
        known = ordered.leaf.last_fault
        if known is None or known.code != accepted.code:
            said = {"id": str(ordered.leaf.entry.spiffe_id), "code": accepted.code, "what": accepted.finding.what}
            self._log.warning("leaf not renewed", **said)
        if isinstance(outcome, LeafIssued) and at < outcome.svid.not_before:
            wait = outcome.svid.not_before - at  # before that, another would be as little valid
        return self._failed(call, ordered, accepted, wait)

    def _failed(self, call: Call[SpiffeId], ordered: Ordered, fault: Fault, wait: timedelta | None) -> Leaf | None:
        self.failures[fault.code] += 1
        spiffe_id, address = ordered.leaf.entry.spiffe_id, call.lane.address
        event = Deferred(address, wait) if fault.code == TURN_GIVEN and wait is not None else Failed(address, wait)
        self._renewals.answered(spiffe_id, event, self._latest())
        now = self._leaves.value.get(spiffe_id)
        # Without its traceback, which would keep every frame below it, and the keys there, for as long as it is shown.
        return replace(now, last_fault=fault.with_traceback(None)) if now else None

    def _accepted(self, ordered: Ordered, issued: LeafIssued, at: datetime) -> Leaf | Fault | None:
        spiffe_id, svid = ordered.leaf.entry.spiffe_id, issued.svid
        try:
            keyed = KeyedSvid(svid, ordered.pkcs8)
            check_fresh(svid, spiffe_id, self._bundles, revoked_of(self._withdrawn), at)
        except Fault as fault:
            return fault
        renewal = self._renewals.issued(spiffe_id, Issued(issued.renew_at, svid.not_after), self._latest())
        now = self._leaves.value.get(spiffe_id)
        return Leaf(now.entry, keyed, renewal, renewals=now.renewals + bool(now.keyed)) if now else None


def _resumed(kept: KeptLeaf) -> Kept | None:
    if kept.renew_at is None:
        return None
    svid = kept.keyed.svid
    return kept.renewal or Kept(kept.renew_at, svid.not_after, svid.not_before)


def _at_once(kept: KeptLeaf, at: datetime) -> Kept:
    return Kept(at, kept.keyed.svid.not_after, at)


def _next_boundary(svid: X509Svid, at: datetime) -> datetime:
    """When its validity begins or ends, by this clock."""
    if at < svid.not_before:
        return svid.not_before
    return svid.not_after if at < svid.not_after else at + LONGEST_SLEEP
