"""What a server reads of a fleet in virtual time, and what is broken about it: for recordings of metrics.

Leaves are asked for, promised and renewed by `flows.simulation.simulate.Fleet`, which runs the machines of production.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.kit.clock import START, VirtualClock
from tests.kit.issuing_ports import ACME
from trustplane.fault import Unavailable
from trustplane.flows.clock_skew import Skew
from trustplane.flows.simulation.scenario import Outage, Partition, Restart, Scenario
from trustplane.flows.simulation.simulate import START as SIMULATED
from trustplane.flows.simulation.simulate import Fleet
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.keys.authority import AuthorityKey, AuthorityKeys
from trustplane.keys.sealing import Kek
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent, Holding
from trustplane.rotation.leaf import Event, Issued
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName, default_id
from trustplane.trust.authority import AuthorityId

NODES = 8
SERVICES = (ServiceName("shop", "web"), ServiceName("shop", "payments"))
IDS = tuple(default_id(ACME, service) for service in SERVICES)
WORKLOADS = NODES * len(SERVICES)
LIFE = timedelta(hours=1)
UPGRADES_BEGIN, UPGRADES_STEP = timedelta(hours=2), timedelta(minutes=10)
RESTARTS = (Restart(0.25, timedelta(hours=6)), Restart(1, timedelta(hours=8)))
FORMER = "f" * 64  # the digest of a bundle that was published before
EVER = timedelta(days=400)
AWAY = Unavailable(code="away", what="it is away", why="a scenario says so", fix="wait")


@dataclass(frozen=True, slots=True)
class Broken:
    """What goes wrong from `at` to `until`. Counts are of sidecars or nodes, the first ones."""

    at: timedelta = timedelta(hours=1)
    until: timedelta = EVER
    issuer: bool = False
    database: bool = False
    server: bool = False
    keys: bool = False  # no authority can be made
    crl_keys: bool = False
    partner: bool = False
    refusals: bool = False
    cut_off: int = 0  # nodes
    stuck_leaves: int = 0
    stuck_bundles: int = 0
    refusing: int = 0
    doubted: int = 0
    slow_clocks: int = 0  # nodes
    busy: bool = False  # a network that loses questions, clocks that differ, restarts, new builds: no fault

    @property
    def nobody_issues(self) -> bool:
        return self.issuer or self.database or self.server or self.refusals

    def scenario(self, length: timedelta, life: timedelta) -> Scenario:
        lasts = min(self.until, length) - self.at
        outages = (Outage(self.at, lasts),) if self.nobody_issues else ()
        partitions = (Partition(self.cut_off / NODES, self.at, lasts),) if self.cut_off else ()
        return Scenario(
            workloads=WORKLOADS,
            per_node=len(SERVICES),
            lifetime=life,
            length=length,
            outages=outages,
            partitions=partitions,
            loss=0.02 if self.busy else 0,
            skew=timedelta(seconds=3 if self.busy else 0),
            restarts=RESTARTS if self.busy else (),
        )


@dataclass(frozen=True, slots=True)
class Renewed:
    """A leaf that was issued, in time from the start."""

    workload: int
    at: timedelta
    renew_at: timedelta
    not_after: timedelta


class Simulated(Fleet):
    """The first nodes are those that are cut off; what is issued is kept."""

    def __init__(self, scenario: Scenario) -> None:
        self.issued: list[Renewed] = []
        self._life = scenario.lifetime
        super().__init__(scenario, lambda _: None, sampled=False)

    def _begin(self, workload: int, issued_at: object, interval: timedelta) -> None:
        super()._begin(workload, issued_at, interval)  # type: ignore[arg-type] # an instant, as it came
        ends = self._not_after[workload]
        assert ends is not None
        began = ends - self._life - SIMULATED
        self.issued.append(Renewed(workload, began, began + interval, ends - SIMULATED))

    def _feed(self, workload: int, event: Event, at: object) -> None:
        if isinstance(event, Issued):
            renew_at, ends = event.renew_at - SIMULATED, event.not_after - SIMULATED
            self.issued.append(Renewed(workload, ends - self._life, renew_at, ends))
        super()._feed(workload, event, at)  # type: ignore[arg-type] # an instant, as it came

    def _some_nodes(self, share: float) -> list[int]:
        return list(range(round(share * NODES)))


def renewals(broken: Broken, length: timedelta, life: timedelta) -> list[Renewed]:
    """In their order."""
    fleet = Simulated(broken.scenario(length, life))
    fleet.run()
    return sorted(fleet.issued, key=lambda one: (one.at, one.workload))


class Keys(AuthorityKeys):
    """Out of reach while `away`."""

    def __init__(self) -> None:
        super().__init__(Kek(bytes(32), stretched=False, told_as="a key of zeros"))
        self.away = False

    def make(self) -> tuple[AuthorityKey, bytes]:
        if self.away:
            raise AWAY
        return super().make()

    def unseal(self, authority: AuthorityId, sealed: bytes) -> AuthorityKey:
        if self.away:
            raise AWAY
        return super().unseal(authority, sealed)


def node_of(number: int) -> NodeName:
    return NodeName(f"{'east' if number < NODES // 2 else 'west'}-{number}")


@dataclass
class World:
    """Satisfies the ports of the two watches: leaves, agents, holdings, and who is there."""

    clock: VirtualClock
    fault: Broken
    issuer: AuthorityId = field(default_factory=lambda: AuthorityId("00" * 32))
    leaves: dict[int, IssuedCertificate] = field(default_factory=dict)
    served: dict[int, str] = field(default_factory=dict)
    bundle: str = ""

    @property
    def broken(self) -> Broken:
        is_on = self.fault.at <= self.clock.now() - START < self.fault.until
        return self.fault if is_on else Broken()

    def issue(self, one: Renewed) -> None:
        """Its sidecar takes it up, unless it is stuck."""
        leaf = IssuedCertificate(
            serial=len(self.leaves) * 1000 + int(one.at.total_seconds()),
            spiffe_id=self._id(one.workload),
            purpose=Purpose.WORKLOAD,
            node=self._node(one.workload),
            profile="default@1",
            authority=self.issuer,
            not_before=START + one.at,
            not_after=START + one.not_after,
            renew_at=START + one.renew_at,
            issued_at=START + one.at,
            leaf=f"{one.workload} at {one.at}".encode(),
        )
        self.leaves[one.workload] = leaf
        if one.workload >= self.broken.stuck_leaves or one.workload not in self.served:
            self.served[one.workload] = hashlib.sha256(leaf.leaf).hexdigest()

    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        if self.broken.database:
            raise AWAY
        return [one for one in self.leaves.values() if one.not_after > self.clock.now()]

    async def agents(self) -> Sequence[Agent]:
        ends = self.clock.now() + LIFE
        return [Agent(node_of(one), "192.0.2.1", "join-token", START, 1, ends) for one in range(NODES)]

    def upgraded_at(self, node: int) -> datetime:
        return START + UPGRADES_BEGIN + node * UPGRADES_STEP

    def build(self, node: int) -> str:
        """Two builds run side by side; in a busy fleet, all come to run the newer one."""
        is_new = node % 2 == 1 or (self.broken.busy and self.clock.now() >= self.upgraded_at(node))
        return "1.1.0" if is_new else "1.0.0"

    def is_away(self, node: int) -> bool:
        """While it is cut off, and for a moment while its agent is replaced."""
        upgraded = self.clock.now() == self.upgraded_at(node)
        return node < self.broken.cut_off or (self.broken.busy and upgraded)

    async def attendance(self) -> Attendance:
        since = self.clock.now() if self.broken.busy else START + self.fault.at
        away = {node_of(one): since for one in range(NODES) if self.is_away(one)}
        return Attendance(frozenset(map(node_of, range(NODES))) - away.keys(), away)

    async def holdings(self) -> Sequence[Holding]:
        return [told for workload in sorted(self.leaves) for told in self._told(workload)]

    def skew(self, node: int) -> Skew:
        off = timedelta(minutes=2) if node < self.broken.slow_clocks else timedelta(0)
        return Skew(off, timedelta(milliseconds=1), self.clock.now())

    def _told(self, workload: int) -> list[Holding]:
        broken, node, spiffe_id = self.broken, self._node(workload), self._id(workload)
        sidecar, broke = f"sidecar shop/{spiffe_id.path[-1]}", START + self.fault.at
        refusal = "TLSv1_3 is no value" if workload < broken.refusing else ""
        doubt = "it shows another serial number" if workload < broken.doubted else ""
        leaf, bundle = self.served[workload], FORMER if workload < broken.stuck_bundles else self.bundle
        return [
            Holding(node, sidecar, f"secret/{spiffe_id}", leaf, leaf, "", START),
            Holding(node, sidecar, f"secret/{ACME.id}", self.bundle, bundle, "", broke),
            Holding(node, sidecar, "listener/inbound", "a", "" if refusal else "a", refusal, broke),
            Holding(node, sidecar, f"proxy/secret/{spiffe_id}", leaf, "" if doubt else leaf, doubt, broke),
        ]

    def _node(self, workload: int) -> NodeName:
        return node_of(workload // len(SERVICES))

    def _id(self, workload: int) -> SpiffeId:
        return IDS[workload % len(SERVICES)]
