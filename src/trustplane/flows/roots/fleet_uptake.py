"""What the fleet holds against what it should hold, counted for metrics: bundles, leaves, refusals and doubts. Pure.

A leaf that is served is compared by its digest with the newest that was issued to its identity on its node. Since when
they differ is counted from that issue: from then on the newer one was there to be served.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from trustplane.flows.roots.survey_trust import BUNDLE, PEERS, SECRET, Published
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent, Holding
from trustplane.spiffe.ids import SCHEME, SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.xds.cross_check import LISTENS, PROXY
from trustplane.xds.sds_names import ROOTCA

KINDS: Final = ("listener", "cluster", "route", "secret")
OTHER_KIND: Final = "other"
SILENT, CONTRADICTS = "silent", "contradicts"


@dataclass(frozen=True, slots=True)
class Share:
    """Of one cluster: how many there are, how many are not as they should be, and since when the first of them."""

    of: int = 0
    wrong: int = 0
    since: datetime | None = None

    def with_one(self, since: datetime | None) -> Share:
        """`since` is none for one that is as it should be."""
        first = min((one for one in (self.since, since) if one is not None), default=None)
        return Share(self.of + 1, self.wrong + (since is not None), first)


@dataclass(frozen=True, slots=True)
class FleetUptake:
    """By cluster, empty for what no cluster has; `refused` by kind of resource, `doubts` by why."""

    agents: Mapping[str, Share] = field(default_factory=dict)
    bundles: Mapping[str, Share] = field(default_factory=dict)
    leaves: Mapping[str, Share] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    doubts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest leaves, by what they are known by."""

    leaves: Mapping[tuple[NodeName, SpiffeId], tuple[str, datetime]]

    @classmethod
    def of(cls, issued: Iterable[IssuedCertificate]) -> Newest:
        return cls({(one.node, one.spiffe_id): (hashlib.sha256(one.leaf).hexdigest(), one.issued_at) for one in issued})


def fleet_uptake(
    holdings: Sequence[Holding], agents: Sequence[Agent], newest: Newest, published: Published, attendance: Attendance
) -> FleetUptake:
    """What agents that were evicted once told is left out."""
    nodes = {one.node for one in agents if not one.banned}
    told = [one for one in holdings if one.node in nodes]
    acknowledged = [one for one in told if not one.thing.startswith(PROXY)]
    refused = Counter(_kind(one.thing) for one in acknowledged if one.refusal)
    doubts = Counter(SILENT if one.thing == LISTENS else CONTRADICTS for one in told if _is_doubt(one))
    clusters = _Clusters(published)
    return FleetUptake(
        agents=clusters.shares((one.node, _away(one, attendance)) for one in agents if not one.banned),
        bundles=clusters.shares(_bundles(acknowledged, published)),
        leaves=clusters.shares(_leaves(acknowledged, newest)),
        refused={kind: refused[kind] for kind in (*KINDS, OTHER_KIND)},
        doubts={because: doubts[because] for because in (SILENT, CONTRADICTS)},
    )


class _Clusters:
    def __init__(self, published: Published) -> None:
        self._clusters = published.clusters
        self._known: dict[NodeName, str] = {}

    def shares(self, each: Iterable[tuple[NodeName, datetime | None]]) -> dict[str, Share]:
        found: dict[str, Share] = {}
        for node, since in each:
            name = self._of(node)
            found[name] = found.get(name, Share()).with_one(since)
        return dict(sorted(found.items()))

    def _of(self, node: NodeName) -> str:
        if node not in self._known:
            cluster = self._clusters.of_node(node)
            self._known[node] = cluster.name if cluster else ""
        return self._known[node]


def _away(agent: Agent, attendance: Attendance) -> datetime | None:
    if agent.node in attendance.connected:
        return None
    return attendance.away_since.get(agent.node, agent.enrolled_at)


def _bundles(told: Iterable[Holding], published: Published) -> Iterator[tuple[NodeName, datetime | None]]:
    """Our own bundle, wherever it is held. Desired is what this server publishes, whatever an agent meant."""
    own = published.bundle.trust_domain
    ours = {BUNDLE, SECRET + str(own.id), SECRET + ROOTCA}
    for one in told:
        if one.thing in ours and (one.held or one.desired):
            yield one.node, None if one.held in published.digests else one.since
        elif one.thing == PEERS and (one.held or one.desired):
            desired = published.peers(one.node, one.participant)
            yield one.node, None if one.held == desired else one.since


def _leaves(told: Iterable[Holding], newest: Newest) -> Iterator[tuple[NodeName, datetime | None]]:
    """Under whichever name a proxy took its leaf up, the name of the secret or its alias."""
    by_id = {(node, SECRET + str(spiffe_id)): one for (node, spiffe_id), one in newest.leaves.items()}
    for one in told:
        issued = by_id.get((one.node, one.thing)) if one.thing.startswith(SECRET + SCHEME) else None
        if issued is not None and one.held:
            digest, at = issued
            yield one.node, None if one.held == digest else at


def _kind(thing: str) -> str:
    kind = thing.partition("/")[0]
    return kind if kind in KINDS else OTHER_KIND


def _is_doubt(one: Holding) -> bool:
    return one.thing.startswith(PROXY) and bool(one.refusal)
