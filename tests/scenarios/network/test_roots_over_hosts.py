"""The roots of two domains are changed while calls cross clusters and domains, and servers and agents fare badly.

Three servers, agents and pairs of Envoys of ours, each on a host of its own, and a partner's. Agents fall asleep,
processes are killed, hosts are parted, drawn by lot, in every phase. No request may fail. That no root signed before
everyone trusted it, or left while anyone depended on it, is judged from the Envoys' own secrets and logs.

Without TRUSTPLANE_ROTATIONS each root changes once, with one cluster and leaves of seconds. With it, all of them change
so often, one after the other (20 take an hour or more); TRUSTPLANE_CHAOS_SEED repeats a run. A machine on which a
killed server takes more than half a minute to come back needs longer leaves than 60 s: TRUSTPLANE_ROTATIONS_LEAF=120.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contracts.store.postgres import running_server
from tests.kit.chaos import Chaos, Lot, Place
from tests.kit.envoy_watch import EnvoyWatch
from tests.kit.mesh import Node, until
from tests.kit.netns import network
from tests.kit.root_operator import RootOperator
from tests.kit.steady_load import SteadyLoad
from tests.kit.two_domains import Shape, Two, two_domains
from trustplane.host.network_namespaces import Network

SEED = int(os.environ.get("TRUSTPLANE_CHAOS_SEED", "1"))
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Scale:
    rotations: int
    clusters: int
    a_second: float  # requests, of all lines together
    life: timedelta  # of leaves and of the agents' own identities
    longest_blow: timedelta
    longest_request: timedelta
    kills: bool

    @property
    def enough_life(self) -> timedelta:
        """Of every leaf, before another blow: outages that outlast a leaf are tried elsewhere, and do cost requests."""
        return self.life * 0.7

    @property
    def longest_sleep(self) -> timedelta:
        """Of the agent that sleeps when a change begins: it wakes before its leaves end, however slow everything is."""
        return self.life * 0.4

    @property
    def seconds(self) -> str:
        return f"{self.life.total_seconds():.0f}s"


SMALL = Scale(1, 1, 100.0, timedelta(seconds=20), timedelta(seconds=2), timedelta(seconds=5), kills=False)
WHOLE = Scale(
    int(os.environ.get("TRUSTPLANE_ROTATIONS", "0")),
    3,
    500.0,
    timedelta(seconds=float(os.environ.get("TRUSTPLANE_ROTATIONS_LEAF", "60"))),
    timedelta(seconds=9),
    timedelta(seconds=15),
    kills=True,
)
SCALE = WHOLE if WHOLE.rotations else SMALL


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as one:
        yield one


@pytest.fixture
def database() -> Iterator[str]:
    for postgres in running_server():
        yield postgres.fresh_database()


@dataclass
class Bench:
    two: Two
    load: SteadyLoad
    watch: EnvoyWatch
    operators: tuple[RootOperator, RootOperator]
    named: list[str] = field(default_factory=list)  # agents that slept when a change began, and were waited for

    @classmethod
    def of(cls, two: Two, opened: ExitStack) -> Bench:
        load = opened.enter_context(SteadyLoad(two.apps))
        envoys = {name: (path, two.members[name][1].sidecars[name]) for name, path in two.admin_sockets().items()}
        watch = opened.enter_context(EnvoyWatch(envoys, two.meshes, two.host_of))
        return cls(two, load, watch, (RootOperator(two.ours), RootOperator(two.theirs)))

    def chaos(self, seed: int) -> Chaos:
        lot = Lot(seed, SCALE.longest_blow.total_seconds(), SCALE.kills)
        return Chaos(lot, self._places(), self.two.net, self.are_leaves_fresh, self.phase)

    def _places(self) -> tuple[Place, ...]:
        found: list[Place] = []
        for mesh in self.two.meshes:
            servers = tuple(self.two.host_of(one) for one in mesh.servers.values())
            found += [Place(one.part, self.two.host_of(one), is_agent=False) for one in mesh.servers.values()]
            found += [
                Place(one.part, self.two.host_of(one), is_agent=True, servers=servers) for one in mesh.nodes.values()
            ]
        return tuple(found)

    def are_leaves_fresh(self) -> bool:
        with self.watch.lock:
            ends = self.watch.witness.ends_first()
        return ends is not None and ends - datetime.now(UTC) > SCALE.enough_life  # noqa: TID251 - as the processes

    def phase(self) -> str:
        return self.operators[0].last_phase or "rest"

    def rotate(self, number: int) -> None:
        """Both roots, from the word of an operator to the last proof."""
        with self.chaos(SEED * 1000 + number) as chaos:
            sleepers = [nodes[number % len(nodes)] for nodes in self._agents()]
            with ThreadPoolExecutor(2) as both:
                list(both.map(self._begin, self.operators, sleepers, [chaos, chaos]))
            for operator in self.operators:
                operator.until("done", PATIENCE_SECONDS)
        told = sorted(f"{count} {what}" for what, count in chaos.done.items())
        say(f"rotation {number}: {self.load.tally}\n  {', '.join(told)}")
        assert not chaos.ended, chaos.ended[0]

    def _agents(self) -> tuple[list[Node], list[Node]]:
        ours, theirs = self.two.meshes
        return list(ours.nodes.values()), list(theirs.nodes.values())

    def _begin(self, operator: RootOperator, sleeper: Node, chaos: Chaos) -> None:
        """One agent sleeps through the beginning: it is named, and nothing goes on before it has woken."""
        with chaos.sparing(sleeper.part):
            until(sleeper.ready, f"{sleeper.name} is well", PATIENCE_SECONDS)
            os.kill(sleeper.part.pid, signal.SIGSTOP)
            wake_at = time.monotonic() + SCALE.longest_sleep.total_seconds()
            try:
                operator.start("rehearsed")
                while time.monotonic() < wake_at:
                    if operator.waits_for(sleeper, "publish"):
                        self.named.append(sleeper.name)
                        break
                    time.sleep(0.1)
            finally:
                os.kill(sleeper.part.pid, signal.SIGCONT)

    def judge(self) -> None:
        self.watch.look()
        for operator in self.operators:
            change, phases = operator.told(), operator.phases()
            with self.watch.lock:
                broken = self.watch.witness.broken_promises(change)
                before = self.watch.witness.requests_below([change.leaving])
                after = self.watch.witness.requests_below([change.coming])
            took = [f"{name} {(at - phases[0][1]).total_seconds():.0f}" for name, at in phases]
            say(f"  {change.domain}: {', '.join(took)} s; {before} requests below the old root, {after} below the new")
            assert not broken, "\n".join(broken)
            assert before, "requests were seen with leaves below the old root"
            assert after, "and with leaves below the new one"
        self.watch.forget()

    def last_words(self) -> None:
        """What it takes to find out why."""
        say("\n".join(map(str, [*self.load.tally.failed[:20], *self.watch.unwell])))
        for mesh in self.two.meshes:
            say(mesh.last_words())
        for operator in self.operators:
            say(str(operator))


def say(text: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")  # noqa: TID251 - beside the processes' own logs


@pytest.mark.skipif(
    "TRUSTPLANE_ROTATIONS" not in os.environ,
    reason="takes minutes: TRUSTPLANE_ROTATIONS=0 changes both roots of a small mesh, =20 those of the whole 20 times",
)
@pytest.mark.timeout(400 + SCALE.rotations * 400)
def test_roots_of_two_domains_are_changed_amid_chaos_and_no_request_fails(
    socket_dir: Path, net: Network, database: str
) -> None:
    shape = Shape(SCALE.clusters, SCALE.seconds, f"{SCALE.longest_request.total_seconds():.0f}s")
    options = ("--node-lifetime", SCALE.seconds)
    with two_domains(socket_dir, net, database, shape, options) as two:
        with ExitStack() as opened:
            bench = Bench.of(two, opened)
            bench.load.begin(two.lines, SCALE.a_second)
            try:
                for number in range(1, SCALE.rotations + 1):
                    bench.rotate(number)
                    bench.judge()
                    assert not bench.load.tally.failures
            except BaseException:
                bench.last_words()
                raise
            finally:
                say(f"in all: {bench.load.tally}; asleep at a beginning and named: {', '.join(bench.named)}")
        assert not bench.load.tally.failures
        assert bench.load.tally.answered
        assert bench.named, "who slept through a beginning was named"
