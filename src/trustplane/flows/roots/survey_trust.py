"""Who trusts what, as far as it is proven now: one table out of acknowledgements, probes and issued certificates.

Only a digest that is the published bundle's proves that a bundle is held. Whatever else a participant holds, it is
taken to trust every root but the one to come, and what cannot be told of its identity to chain to the root that leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.flows.federation.partner_trust import NOBODY, Partners, with_partners
from trustplane.flows.roots.leaf_roots import LeafRoots, Whose
from trustplane.flows.roots.links_below import links_below
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.clusters import Clusters
from trustplane.registry.partner_probes import ShownProbe, shown_probes
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent, Holding, Hosting
from trustplane.registry.view import AGAIN, Withdrawn
from trustplane.rotation.root_change import Participant, RootChange, Seen, Survey
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SCHEME, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.lifecycle import owners_without
from trustplane.xds import tls
from trustplane.xds.cross_check import PROXY
from trustplane.xds.sds_names import DEFAULT, ROOTCA
from trustplane.xds.secrets import bundle_digest

BUNDLE = "bundle"
PROBED = "root/"  # then the root's key identifier, as participants name what a probe proved
PEERS = f"secret/{tls.PEERS}"  # our bundle beside those of other domains, in sidecars that they may call
CONNECTIONS = "connections"  # which order to make them anew is done, as agents measure it
SECRET = "secret/"  # noqa: S105 - how an acknowledged secret is named
MAX_NAME = 400  # of what an agent calls a participant


class Records(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def agents(self) -> Sequence[Agent]: ...

    async def hosting(self) -> Sequence[Hosting]: ...

    async def holdings(self) -> Sequence[Holding]: ...

    async def newest_certificates(self) -> Sequence[IssuedCertificate]: ...

    async def recent_certificates(self, whose: Sequence[Whose]) -> Sequence[IssuedCertificate]: ...

    async def last_leaf_ends(self) -> Mapping[AuthorityId, datetime]: ...


class Present(Protocol):
    async def attendance(self) -> Attendance:
        """Which agents are connected, to whichever server."""
        ...


async def _no_partners() -> Partners:
    return NOBODY


def _nobody_of_elsewhere(_node: NodeName, _participant: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Published:
    """What this server has published, and who belongs together."""

    bundle: Bundle
    withdrawn: Withdrawn
    longest_connection: timedelta
    # Of a sidecar that other domains may call: by which digest it holds our bundle and theirs.
    peers: Callable[[NodeName, str], str] = _nobody_of_elsewhere
    clusters: Clusters = field(default_factory=Clusters)
    draining: frozenset[ServiceName] = frozenset()
    are_all_measured: bool = False

    @property
    def digests(self) -> frozenset[str]:
        crls = tuple(one.crl for one in self.withdrawn.crls)
        return frozenset({self.bundle.x509_digest, self.bundle.digest, bundle_digest(self.bundle, crls)})


@dataclass(frozen=True, slots=True)
class Surveyed:
    survey: Survey
    holdings: tuple[Holding, ...]  # of bundles alone, each against what is published
    probes: tuple[ShownProbe, ...] = ()  # of other trust domains' services


class SurveyTrust:
    def __init__(
        self,
        records: Records,
        published: Callable[[], Published],
        present: Present,
        now: Callable[[], datetime],
        partners: Callable[[], Awaitable[Partners]] = _no_partners,
    ) -> None:
        self._records = records
        self._published = published
        self._present = present
        self._now = now
        self._partners = partners
        self._leaf_roots = LeafRoots(records)

    async def look(self, change: RootChange | None) -> Surveyed:
        """What is read first may be older than what is read last, never the other way round: proofs come first."""
        await self._leaf_roots.know(self._now())
        partners = await self._partners()
        holdings = await self._records.holdings()
        fleet = _Fleet(
            holdings,
            tuple(one for one in await self._records.agents() if not one.banned),
            await self._records.hosting(),
            await self._records.newest_certificates(),
            await self._present.attendance(),
        )
        last = await self._records.last_leaf_ends()
        authorities = await self._records.authorities()
        own = self._published().bundle.trust_domain
        fleet = replace(fleet, leaf_roots=await self._leaf_roots.of(fleet.holdings, fleet.newest, authorities, own))
        published, at = self._published(), self._now()
        found = surveyed(fleet, authorities, last, published, change, at)
        nodes = {one.node for one in fleet.agents}
        probes = tuple(one for one in shown_probes(fleet.holdings) if one.node in nodes)
        survey = with_partners(found.survey, replace(partners, probes=probes), published.bundle, change, at)
        return replace(found, survey=survey, probes=probes)


@dataclass(frozen=True, slots=True)
class _Fleet:
    holdings: Sequence[Holding]
    agents: Sequence[Agent]
    hosting: Sequence[Hosting]
    newest: Sequence[IssuedCertificate]
    attendance: Attendance
    leaf_roots: Mapping[str, AuthorityId | None] = field(default_factory=dict)  # by a leaf's digest


def held_by_server(instance: NodeName, bundle: Bundle, at: datetime) -> Holding:
    """What a server says of itself when it stands by a bundle."""
    return Holding(instance, f"server {instance}", BUNDLE, bundle.x509_digest, bundle.x509_digest, "", at)


def surveyed(  # noqa: PLR0917 - all that is known, each from its own source
    fleet: _Fleet,
    authorities: Sequence[Authority],
    last_leaf_ends: Mapping[AuthorityId, datetime],
    published: Published,
    change: RootChange | None,
    at: datetime,
) -> Surveyed:
    roots = {each.id: each.state for each in authorities if each.kind is AuthorityKind.ROOT}
    parents = {each.id: each.parent for each in authorities if each.parent is not None}
    last: dict[AuthorityId, datetime] = {}
    for authority, ends in last_leaf_ends.items():
        root = parents.get(authority)
        if root is not None:
            last[root] = max(last.get(root, ends), ends)
    eyes = _Eyes(
        fleet, _Known(roots, parents, _within(authorities, published), _signing(authorities, at)), published, change
    )
    seen = tuple(sorted((*eyes.servers(), *eyes.agents(), *eyes.proxies()), key=_name))
    ready = frozenset(root for root in roots if not owners_without(authorities, root, at))
    links = links_below(fleet.holdings, authorities, {one.node for one in fleet.agents})
    survey = Survey(roots, ready, seen, last, published.longest_connection, published.are_all_measured, links)
    return Surveyed(survey, tuple(eyes.bundles()))


def _name(one: Seen) -> Participant:
    return one.participant


def _signing(authorities: Iterable[Authority], at: datetime) -> frozenset[NodeName]:
    """Servers that can issue now."""
    active = (one for one in authorities if one.kind is AuthorityKind.ISSUING and one.state is AuthorityState.ACTIVE)
    return frozenset(one.owner for one in active if one.owner is not None and at < one.not_after)


def _within(authorities: Iterable[Authority], published: Published) -> frozenset[AuthorityId]:
    """The roots of the bundle that was published, which may be behind the states that are stored."""
    published_roots = frozenset(published.bundle.x509_authorities)
    return frozenset(one.id for one in authorities if one.certificate in published_roots)


@dataclass(frozen=True, slots=True)
class _Known:
    """`trusted`: by whoever holds the published bundle. `servers` sign now."""

    roots: Mapping[AuthorityId, AuthorityState]
    parents: Mapping[AuthorityId, AuthorityId]
    trusted: frozenset[AuthorityId]
    servers: frozenset[NodeName]


class _Eyes:
    """One look at everyone."""

    def __init__(self, fleet: _Fleet, known: _Known, published: Published, change: RootChange | None) -> None:
        self._fleet = fleet
        self._published = published
        self._roots = known.roots
        self._parents = known.parents
        self._servers = known.servers
        self._trusted = known.trusted
        # A server of an older version does not tell who is connected to it, so whoever nobody tells of may be there.
        self._is_everyone_told_of = known.servers <= fleet.attendance.servers
        coming = change.coming if change else None
        self._doubtful = frozenset(known.roots) - {coming}
        self._leaving = frozenset({change.leaving}) if change else frozenset[AuthorityId]()
        self._digests = published.digests
        self._held: defaultdict[tuple[NodeName, str], list[Holding]] = defaultdict(list)
        for one in fleet.holdings:
            self._held[one.node, one.participant].append(one)
        self._newest: defaultdict[tuple[Purpose, NodeName], list[IssuedCertificate]] = defaultdict(list)
        for each in fleet.newest:
            self._newest[each.purpose, each.node].append(each)

    def servers(self) -> Iterator[Seen]:
        away = self._fleet.attendance.servers_away_since
        for owner in sorted(self._servers):
            seen = self._own(f"server {owner}", owner, Purpose.SERVER)
            cluster = self._published.clusters.of_server(owner)
            yield replace(seen, cluster=cluster, is_away=owner in away, away_since=away.get(owner))

    def agents(self) -> Iterator[Seen]:
        for agent in self._fleet.agents:
            seen = self._own(f"agent {agent.node}", agent.node, Purpose.NODE)
            yield self._placed(replace(seen, since=seen.since or agent.enrolled_at), agent.node)

    def proxies(self) -> Iterator[Seen]:
        """Sidecars, other Envoys and workloads, as agents tell of them; a hosted sidecar is one, heard of or not."""
        nodes = {agent.node for agent in self._fleet.agents}
        since = {(one.node, f"sidecar {one.service}"): one.since for one in self._fleet.hosting}
        kinds = ("sidecar ", "envoy ", "workload ")
        for node, name in sorted({*since, *(key for key in self._held if key[1].startswith(kinds))}):
            if node in nodes and len(name.split()) > 1:
                seen = self._proxy(node, name)
                yield self._placed(replace(seen, since=seen.since or since.get((node, name))), node)

    def _placed(self, seen: Seen, node: NodeName) -> Seen:
        """With the cluster of its node, and whether that node's agent is away."""
        attendance = self._fleet.attendance
        is_away = self._is_everyone_told_of and node not in attendance.connected
        since = attendance.away_since.get(node) if is_away else None
        return replace(seen, cluster=self._published.clusters.of_node(node), is_away=is_away, away_since=since)

    def bundles(self) -> Iterator[Holding]:
        """Desired is what this server publishes, whatever an agent meant when it spoke."""
        for one in self._fleet.holdings:
            if self._is_bundle(one.thing) or (one.thing.startswith(PROXY) and one.refusal):
                yield replace(one, desired=one.held if self._is_current(one) else self._desired(one))

    def _is_current(self, one: Holding) -> bool:
        if one.thing.removeprefix(PROXY) == PEERS:
            return bool(one.held) and one.held == self._desired(one)
        return one.held in self._digests

    def _desired(self, one: Holding) -> str:
        bundle = self._published.bundle
        if not self._is_bundle(one.thing):
            return one.desired
        if one.thing.removeprefix(PROXY) == PEERS:
            return self._published.peers(one.node, one.participant)
        return bundle.x509_digest if one.thing == BUNDLE else bundle.digest

    def _own(self, name: str, node: NodeName, purpose: Purpose) -> Seen:
        """A server or an agent. Its identity is the newest it was issued; a lost one ends before its root may leave."""
        held = [one for one in self._held[node, name] if self._is_bundle(one.thing)]
        shown = {self._root_of(one) for one in self._newest[purpose, node]}
        return Seen(
            participant=Participant(name),
            trusts=self._trust(held),
            accepts=None,
            shows=self._known(shown or {None}),
            since=max((one.since for one in held), default=None),
        )

    def _proxy(self, node: NodeName, name: str) -> Seen:
        told = self._held[node, name]
        # What it is offered no more, and has let go of, says nothing: its trust is in another secret now.
        bundles = [one for one in told if self._is_bundle(one.thing) and (one.held or one.desired)]
        doubts = [one for one in told if one.thing.startswith(PROXY) and one.refusal]
        leaves = [one for one in told if self._is_leaf(one.thing) and (one.held or one in doubts)]
        refusals = [one.refusal for one in (*bundles, *leaves, *told) if one.refusal and one not in doubts]
        probed = frozenset(root for root in self._roots for one in told if _proves(one, root))
        is_sidecar = name.startswith("sidecar ")
        verifies = bool(bundles) or is_sidecar
        return Seen(
            participant=Participant(f"{' '.join(name.split())[:MAX_NAME]} on {node}"),
            trusts=self._trust(bundles) if verifies else self._trusted | self._doubtful - self._leaving,
            accepts=probed if is_sidecar else None,
            shows=self._known({self._fleet.leaf_roots.get(one.held) for one in leaves}),
            since=max((one.since for one in doubts or (*bundles, *leaves)), default=None),
            refusal=next(iter(refusals), ""),
            doubt=next((one.refusal for one in doubts), ""),
            remade=self._remade(name, told),
        )

    def _remade(self, name: str, told: Sequence[Holding]) -> frozenset[str] | None:
        kind, _, service = name.partition(" ")
        if kind != "sidecar" or service not in {str(one) for one in self._published.draining}:
            return None
        return frozenset(one.held.partition(AGAIN)[0] for one in told if one.thing == CONNECTIONS and one.held)

    def _trust(self, bundles: Sequence[Holding]) -> frozenset[AuthorityId]:
        is_current = bool(bundles) and all(self._is_current(one) for one in bundles)
        return self._trusted if is_current else self._doubtful

    def _known(self, roots: Iterable[AuthorityId | None]) -> frozenset[AuthorityId]:
        found: set[AuthorityId] = set()
        for root in roots:
            found |= self._leaving if root is None else {root}
        return frozenset(found)

    def _root_of(self, one: IssuedCertificate) -> AuthorityId | None:
        return self._parents.get(one.authority)

    def _is_bundle(self, thing: str) -> bool:
        own = self._published.bundle.trust_domain
        return thing.removeprefix(PROXY) in {BUNDLE, SECRET + str(own.id), SECRET + ROOTCA, PEERS}

    def _is_leaf(self, thing: str) -> bool:
        secret = thing.removeprefix(PROXY)
        name = secret.removeprefix(SECRET)
        return name != secret and (name == DEFAULT or _names_a_workload(name, self._published.bundle.trust_domain))


def _names_a_workload(name: str, own: TrustDomain) -> bool:
    return name.startswith(f"{SCHEME}{own.name}/")


def _proves(one: Holding, root: AuthorityId) -> bool:
    return one.thing == PROBED + root.key_id and one.held == root.key_id
