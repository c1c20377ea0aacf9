"""A mesh whose failures are compared: services on nodes that call each other, and what its server knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.kit.handshakes import AT, EXPIRED, HELD
from trustplane.change.rollout import Rollout
from trustplane.flows.clock_skew import Skew
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.reported import Held, Reported
from trustplane.handshake.setup import Became, Setup, StoredSetup
from trustplane.handshake.stored import Stored, stored
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.clusters import Cluster, Clusters, NamePattern
from trustplane.registry.model import Call, DesiredState, Ports, Service
from trustplane.registry.records import Agent, Hosting, Revision
from trustplane.rotation.root_change import RootChange
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import ClusterName, NodeName, ServiceName, default_id
from trustplane.trust.authority import AuthorityId

ACME = TrustDomain("acme.example")
NOW = AT + timedelta(minutes=50)
NODES = tuple(NodeName(f"{site}-{number}") for site in ("east", "west") for number in range(5))
CALLER, CALLEE = ServiceName("shop", "web"), ServiceName("shop", "pay")


def service(name: ServiceName, mesh: int, *calls: Call) -> Service:
    return Service(name, default_id(ACME, name), (), frozenset(), "standard", ports=Ports(mesh + 1, mesh), calls=calls)


def desired() -> DesiredState:
    """`web` runs everywhere and calls `pay`, which does too; nodes are in two clusters."""
    sites = {ClusterName(one): Cluster(ClusterName(one), (NamePattern(f"{one}-*"),)) for one in ("east", "west")}
    services = (service(CALLER, 20_100, Call(CALLEE, 20_300)), service(CALLEE, 20_200))
    return DesiredState(ACME, "standard", {}, {}, {one.name: one for one in services}, clusters=Clusters(sites))


def address(node: NodeName) -> str:
    return f"10.0.0.{NODES.index(node) + 1}"


def failure(  # noqa: PLR0917 - what tells one record from another
    client: NodeName,
    server: NodeName,
    minutes: float,
    side: Side = Side.SERVER,
    build: tuple[int, ...] = (1, 40, 0),
    held: Held = HELD,
) -> Stored:
    """Of a connection from `web` to `pay`, as one side told of it."""
    ends = (f"{address(client)}:{40_000 + NODES.index(server)}", f"{address(server)}:20200")
    names = (str(default_id(ACME, CALLER)), str(default_id(ACME, CALLEE)))
    at = AT + timedelta(minutes=minutes)
    is_server = side is Side.SERVER
    record = Failure(
        EXPIRED if is_server else "",
        Implementation.ENVOY,
        side,
        build,
        Tls.V1_3,
        at,
        "" if is_server else "UC",
        local=ends[is_server],
        peer=ends[not is_server],
        theirs=Claims(names[not is_server]),
        ours=Claims(names[is_server]),
    )
    return stored(server if is_server else client, Reported(CALLEE if is_server else CALLER, record, held))


@dataclass(slots=True)
class MemoryFleet:
    """Satisfies what `compare_failures` asks of the store, and of who is connected."""

    records: list[Stored] = field(default_factory=list)
    told: list[Rollout] = field(default_factory=list)
    applied: list[Revision] = field(default_factory=list)
    changes: list[RootChange] = field(default_factory=list)
    versions: dict[NodeName, str] = field(default_factory=dict)
    off: dict[NodeName, Skew | None] = field(default_factory=dict)
    setups: list[StoredSetup] = field(default_factory=list)
    hosted: dict[NodeName, datetime] = field(default_factory=dict)

    def became(self, node: NodeName, at: datetime, setup: Setup) -> None:
        """Both of its sidecars."""
        self.setups += (StoredSetup(node, Became(name, at, setup)) for name in (CALLER, CALLEE))

    async def failures(self, since: object, until: object, limit: int) -> Sequence[Stored]:
        assert since is not until
        return sorted(self.records, key=lambda one: one.reported.at, reverse=True)[:limit]

    async def failures_counted(self, since: object, until: object) -> int:
        assert since is not until
        return len(self.records)

    async def handshakes_completed(
        self, since: object, until: object
    ) -> Mapping[tuple[NodeName, ServiceName, Side], int]:
        assert since is not until
        both = ((CALLER, Side.CLIENT), (CALLEE, Side.SERVER))
        return {(node, name, side): 1000 for node in NODES for name, side in both}

    async def agents(self) -> Sequence[Agent]:
        return [Agent(node, address(node), "join-token", AT, 7, NOW) for node in NODES]

    async def hosting(self) -> Sequence[Hosting]:
        return [Hosting(node, name, self.hosted.get(node, AT)) for node in NODES for name in (CALLER, CALLEE)]

    async def sidecar_setups(self, since: object, until: object, limit: int) -> Sequence[StoredSetup]:
        assert since is not until
        return self.setups[:limit]

    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        authority, ends = AuthorityId("ab" * 32), NOW + timedelta(hours=1)
        named = default_id(ACME, CALLER), Purpose.WORKLOAD, NODES[0], "standard@1", authority
        return [IssuedCertificate(7, *named, AT, ends, NOW, AT, b"")]

    async def rollouts(self, since: object, limit: int) -> Sequence[Rollout]:
        assert since is not None
        return self.told[:limit]

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]:
        return [one for one in self.applied if before is None or one.number < before][:limit]

    async def root_changes(self, limit: int) -> Sequence[RootChange]:
        return self.changes[:limit]

    def builds(self) -> Mapping[NodeName, str]:
        return self.versions

    def skews(self) -> Mapping[NodeName, Skew | None]:
        return self.off
