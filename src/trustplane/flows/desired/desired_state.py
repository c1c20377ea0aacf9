"""Desired state: planned, applied, restored, and turned into what every node must know.

An apply is read and admitted whole before anything is recorded; the record is durable before any agent hears of it.
The same files again are the revision they already are. A waiver must be in force on the day of an apply; a revision
that is loaded or restored was admitted on its own day, so that neither a start nor the way back waits for a decision.
Replicas learn of each other's revisions from the store's changes, never by looking.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.audit import events
from trustplane.change.plan import Plan, plan
from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.desired.admit_policies import admitted, admitted_at, recorded
from trustplane.flows.desired.push_views import ViewFeed
from trustplane.issuance.admit import Right
from trustplane.policy.own_templates import check_kept
from trustplane.registry import layout
from trustplane.registry.candidate import NO_CANDIDATE, Candidate
from trustplane.registry.clusters import Clusters
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.needs import Needs
from trustplane.registry.records import Agent, Hosting, Revision
from trustplane.registry.view import Endpoint, TrustedBundle, Withdrawn
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.xds.inbound import last_open


class Revisions(Protocol):
    async def put_revision(
        self,
        files: Mapping[str, str],
        digest: str,
        by: str,
        at: datetime,
        restored_from: int | None = None,
        *,
        expected_current: int | None,
    ) -> Revision: ...

    async def current_revision(self) -> Revision | None: ...

    async def revision(self, number: int) -> Revision: ...


class Fleet(Protocol):
    async def agents(self) -> Sequence[Agent]: ...

    async def hosting(self) -> Sequence[Hosting]: ...


class Journal(Protocol):
    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class KeepDesiredState:
    def __init__(
        self, trust_domain: TrustDomain, revisions: Revisions, fleet: Fleet, journal: Journal, clock: Clock
    ) -> None:
        self._trust_domain = trust_domain
        self._revisions = revisions
        self._fleet = fleet
        self._journal = journal
        self._clock = clock
        self._current: tuple[Revision, DesiredState] | None = None
        self._bundle: Bundle | None = None
        self._withdrawn = Withdrawn()
        self._remake = ""
        self._candidate = NO_CANDIDATE
        self._federated: Mapping[TrustDomain, Bundle] = {}
        self._known_roots: Mapping[TrustDomain, frozenset[str]] = {}
        self._by_id: Mapping[SpiffeId, Service] = {}
        self._refreshing = asyncio.Lock()
        self.views = ViewFeed(self._needs({}))

    @property
    def current(self) -> tuple[Revision, DesiredState] | None:
        return self._current

    def declared(self) -> DesiredState:
        """What is in force; without a revision, nothing."""
        return self._state()

    def right(self, node: NodeName, spiffe_id: SpiffeId) -> Right | None:
        """Whether the registry gives this node this ID, and in which shape."""
        service = self.service_on(node, spiffe_id)
        return Right(node, spiffe_id, self._state().profiles[service.profile]) if service else None

    def service_on(self, node: NodeName, spiffe_id: SpiffeId) -> Service | None:
        """Whose identity it is, if this node is to have it."""
        service = self._by_id.get(spiffe_id)
        return service if service and (not service.nodes or node in service.nodes) else None

    async def admit(self, files: Mapping[str, bytes]) -> DesiredState:
        """As for an apply now: proved, tested, and of this trust domain. Nothing is changed."""
        return await self._read(files, self._clock.now())

    async def plan(self, files: Mapping[str, bytes]) -> Plan:
        return plan(self._current[1] if self._current else None, await self._read(files, self._clock.now()))

    async def apply(self, files: Mapping[str, bytes], by: str, against: int | None = None) -> tuple[Revision, Plan]:
        """`against`: refused as `revision-moved` unless it is this revision that the files take the place of."""
        candidate = await self._read(files, self._clock.now())
        return await self._apply(files, candidate, by, restored_from=None, against=against)

    async def restore(self, number: int, by: str) -> tuple[Revision, Plan]:
        old = await self._revisions.revision(number)
        files = {path: text.encode() for path, text in old.files.items()}
        return await self._apply(files, await self._read(files), by, restored_from=number)

    async def _apply(
        self,
        files: Mapping[str, bytes],
        candidate: DesiredState,
        by: str,
        *,
        restored_from: int | None,
        against: int | None = None,
    ) -> tuple[Revision, Plan]:
        await self.load()
        running = self._current
        difference = plan(running[1] if running else None, candidate)
        digest = layout.digest(files)
        if running is not None and digest == running[0].digest:
            return running[0], difference
        at = self._clock.now()
        expected = running[0].number if running else None
        if against is not None and expected != against:
            raise _moved(against, expected)
        policies = await asyncio.to_thread(recorded, files)
        intent = events.revision_intent((expected or 0) + 1, digest, by, at, policies)
        await self._journal.append_audit([intent], at)
        texts = {path: content.decode() for path, content in files.items() if not layout.is_ignored(path)}
        revision = await self._revisions.put_revision(texts, digest, by, at, restored_from, expected_current=expected)
        outcome = events.revision_applied(revision.number, digest, by, restored_from, at)
        await self._journal.append_audit([outcome], self._clock.now())
        self._take((revision, candidate))
        await self.refresh()
        return revision, difference

    async def _read(self, files: Mapping[str, bytes], admit_at: datetime | None = None) -> DesiredState:
        # In a thread: a repository of a thousand services takes about a second to read and admit.
        if admit_at is None:
            state = await asyncio.to_thread(admitted, files)
        else:
            check_kept(self._current[0].files if self._current else {}, files)
            state = await asyncio.to_thread(admitted_at, files, admit_at, self._known_roots)
        if state.trust_domain != self._trust_domain:
            raise Refused(
                code="other-trust-domain",
                what=f"the repository is for {state.trust_domain}, this server for {self._trust_domain}",
                why="a server issues for the one trust domain it was started with",
                fix="apply it to that domain's server, or mend trust_domain in trustdomain.yaml",
            )
        return state

    async def load(self) -> None:
        """Take over the newest revision of the store, which another replica may have written."""
        newest = await self._revisions.current_revision()
        if newest is not None and self._is_newer(newest):
            files = {path: text.encode() for path, text in newest.files.items()}
            self._take((newest, await self._read(files)))

    def _is_newer(self, revision: Revision) -> bool:
        return self._current is None or revision.number > self._current[0].number

    def _take(self, current: tuple[Revision, DesiredState]) -> None:
        if not self._is_newer(current[0]):
            return  # while it was read, a newer one was taken over
        self._current = current
        self._by_id = {service.spiffe_id: service for service in current[1].services.values()}

    async def trust(self, bundle: Bundle) -> None:
        """Make this the bundle that every node is told."""
        self._bundle = bundle
        await self.refresh()

    def longest_leaf(self) -> timedelta:
        return max((profile.lifetime for profile in self._state().profiles.values()), default=timedelta(0))

    def longest_connection(self) -> timedelta:
        """How long any sidecar lets a connection last, by the leaf's life and the longest request of its service."""
        state = self._state()
        ages = (
            last_open(state.profiles[service.profile].lifetime, service.longest_request, service.connections.longest)
            for service in state.services.values()
        )
        return max(ages, default=timedelta(0))

    def clusters(self) -> Clusters:
        return self._state().clusters

    def draining(self) -> frozenset[ServiceName]:
        """Services whose sidecars make their connections anew when trust changes, and count those of before."""
        return frozenset(name for name, one in self._state().services.items() if one.connections.drains)

    def are_all_measured(self) -> bool:
        """Whether every service has a sidecar: without one nobody knows of its connections."""
        return all(one.ports is not None for one in self._state().services.values())

    def service_count(self) -> int:
        return len(self._state().services)

    async def withdraw(self, withdrawn: Withdrawn) -> None:
        """Make this what every node is told to rely on no more."""
        self._withdrawn = withdrawn
        await self.refresh()

    async def remake(self, order: str) -> None:
        """Have every node make the connections anew that were made before this order."""
        if order != self._remake:
            self._remake = order
            await self.refresh()

    async def try_candidate(self, candidate: Candidate) -> None:
        """Have every sidecar that it concerns judge by it, too."""
        if candidate != self._candidate:
            self._candidate = candidate
            await self.refresh()

    async def federate(
        self, bundles: Mapping[TrustDomain, Bundle], known: Mapping[TrustDomain, frozenset[str]]
    ) -> None:
        """Make these the bundles of other trust domains, and `known` the roots by which names are known."""
        self._known_roots = known
        before, self._federated = self._federated, bundles
        if _contents(before) != _contents(bundles):  # a peer that only counts up must cost nothing
            await self.refresh()

    async def refresh(self) -> None:
        """Publish what follows from the revision, the bundle, and where sidecars are."""
        async with self._refreshing:  # else what was read first could be published last
            self.views.publish(self._needs(await self._endpoints()))

    def _needs(self, endpoints: Mapping[ServiceName, tuple[Endpoint, ...]]) -> Needs:
        number = self._current[0].number if self._current else 0
        withdrawn = replace(self._withdrawn, remake=self._remake)
        candidate = self._candidate.at(self._clock.now())
        return Needs(self._state(), number, endpoints, self._trusted(), withdrawn, candidate=candidate)

    def _state(self) -> DesiredState:
        if self._current:
            return self._current[1]
        return DesiredState(self._trust_domain, "standard", {}, {}, {})

    def _trusted(self) -> tuple[TrustedBundle, ...]:
        """Our own and those of the trust domains that the revision has a relation with; an ended one is out at once."""
        if self._bundle is None:
            return ()
        own = TrustedBundle(self._bundle.trust_domain, bundle_document.encode(self._bundle), self._bundle.digest)
        others = (one for name, one in self._federated.items() if name in self._state().federation)
        return (own, *(TrustedBundle(one.trust_domain, _without_number(one), one.digest) for one in others))

    async def _endpoints(self) -> dict[ServiceName, tuple[Endpoint, ...]]:
        addresses = {agent.node: agent.address for agent in await self._fleet.agents() if not agent.banned}
        services = self._state().services
        found: defaultdict[ServiceName, set[Endpoint]] = defaultdict(set)
        for hosting in await self._fleet.hosting():
            service = services.get(hosting.service)
            if service is not None and service.ports is not None and hosting.node in addresses:
                found[hosting.service].add(Endpoint(addresses[hosting.node], service.ports.mesh))
        return {service: tuple(sorted(endpoints)) for service, endpoints in found.items()}


def _moved(against: int, current: int | None) -> Refused:
    return Refused(
        code="revision-moved",
        what=f"the current revision is {current or 'none'}, not {against}",
        why="someone applied another revision since this change was planned",
        fix="run trustplane plan again and look at the new difference, then try again",
    )


def _contents(bundles: Mapping[TrustDomain, Bundle]) -> dict[TrustDomain, str]:
    return {name: one.digest for name, one in bundles.items()}


def _without_number(bundle: Bundle) -> bytes:
    """And without hint: nodes have no use for them, and what changes nothing else is pushed to nobody."""
    return bundle_document.encode(replace(bundle, sequence=None, refresh_hint=None))
