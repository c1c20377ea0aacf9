"""What `diagnose --fleet` costs a server at its bounds: 50,000 links, 200 changes, 10,000 records of failures.

A hundred services, each on 22 nodes, call one another in a ring; callers of one Envoy build fail since a revision. CPU
seconds of one core, from what the store gives to the ranking; what is planted must be found.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from time import process_time

from benchmarks._figures import load, small, tell
from tests.kit.handshakes import AT
from trustplane.flows.records.compare_failures import ranking_of
from trustplane.handshake.failure import Failure, Implementation, Side, Tls
from trustplane.handshake.fleet.changes import Window
from trustplane.handshake.fleet.mesh import Mesh
from trustplane.handshake.fleet.ranking import Ranking
from trustplane.handshake.fleet.sidecars import Setups, Sidecar
from trustplane.handshake.fleet.subject import Rollout
from trustplane.handshake.reported import Held, Reported
from trustplane.handshake.setup import Became, Setup, StoredSetup
from trustplane.handshake.stored import Stored, stored
from trustplane.spiffe.names import NodeName, ServiceName

SERVICES, HOSTS, RECORDS = (10, 5, 200) if small() else (100, 22, 10_000)
BUILDS = ("1.39.3", "1.40.0")
BROKEN, CHANGES = timedelta(minutes=30), 200
HOUR = Window(AT, AT + timedelta(hours=1))


class Ring:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.services = [ServiceName("shop", f"s{number}") for number in range(SERVICES)]
        self.nodes = [NodeName(f"n{number}") for number in range(10 * HOSTS)]
        self.sidecars = [Sidecar(one, node) for one in self.services for node in random.sample(self.nodes, HOSTS)]
        self.build = {one: random.choice(BUILDS) for one in self.sidecars}
        self.callee = dict(zip(self.services, [*self.services[1:], self.services[0]], strict=True))

    def mesh(self) -> Mesh:
        """Each got a new revision every five minutes."""
        setups = [
            StoredSetup(one.node, Became(one.service, AT + timedelta(minutes=at), self._setup(one, at)))
            for one in self.sidecars
            for at in range(0, 60, 5)
        ]
        facts = {one: {"issuer": f"i{self.random.randrange(3)}", "profile": "standard"} for one in self.sidecars}
        began = {one: AT + timedelta(minutes=self.random.uniform(-60, 25)) for one in self.sidecars}
        ports = {20_000 + number: one for number, one in enumerate(self.services)}
        hosts = {node.name: node for node in self.nodes}
        return Mesh(facts, began, Setups(setups), frozenset(self.callee.items()), hosts, ports, {}, {})

    def _setup(self, one: Sidecar, at: int) -> Setup:
        return Setup(self.build[one], "1", "b" * 64, at + 1)

    def records(self) -> list[Stored]:
        callers = [one for one in self.sidecars if self.build[one] == BUILDS[0]]
        hosts = {name: [one for one in self.sidecars if one.service == name] for name in self.services}
        return [
            self._failure(caller, self.random.choice(hosts[self.callee[caller.service]]), number)
            for number, caller in enumerate(self.random.choices(callers, k=RECORDS))
        ]

    def _failure(self, caller: Sidecar, callee: Sidecar, number: int) -> Stored:
        since = BROKEN + timedelta(seconds=self.random.uniform(1, 1500))
        ends = f"{caller.node}:{number}", f"{callee.node}:{20_000 + self.services.index(callee.service)}"
        record = Failure("", Implementation.ENVOY, Side.CLIENT, (1, 39, 3), Tls.V1_3, AT + since, "UC", "", *ends)
        held = Held("b" * 64, "", int(since.total_seconds() // 300) * 5 + 1)
        return stored(caller.node, Reported(caller.service, record, held))

    def changes(self) -> list[Rollout]:
        """One of them at the time from when it is broken; half reach some sidecars only."""
        found = [Rollout("revision 18", "", AT + BROKEN)]
        for number in range(CHANGES - 1):
            started = AT + timedelta(minutes=self.random.uniform(1, 59))
            some = frozenset(map(str, self.random.sample(self.sidecars, len(self.sidecars) // 10)))
            found.append(Rollout(f"other {number}", "", started, None, {"sidecar": some} if number % 2 else {}))
        return found


def main() -> None:
    before, ring = load(), Ring(Random(1))  # noqa: S311 - a mesh that is the same each time
    mesh, records, changes = ring.mesh(), ring.records(), ring.changes()
    completed = {(one.node, one.service, side): 1000 for one in ring.sidecars for side in Side}
    began = process_time()
    found = ranking_of(mesh, records, completed, changes, HOUR)
    took = process_time() - began
    figures = {
        "cpu_seconds": round(took, 2),
        "links": found.subjects,
        "failing": found.failing,
        "changes": len(changes),
    }
    tell("fleet_view", {**figures, "comparisons": found.comparisons, "is_found": _is_found(found)}, (before, load()))


def _is_found(found: Ranking) -> bool:
    first = found.findings[0] if found.findings else None
    return first is not None and ("client Envoy", BUILDS[0]) in first.values and "revision 18" in first.since


if __name__ == "__main__":
    main()
