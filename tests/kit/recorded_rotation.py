"""A change of root that waits for a sidecar which takes up no new bundle, as Prometheus would have scraped it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kit.clock import START, VirtualClock
from tests.kit.issuing_ports import ACME, NODE, authority_keys
from tests.kit.present import Present
from tests.kit.promtool import Recording, Series
from tests.kit.recorded_fleet import EVERY, scraped
from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.flows.roots.change_root import ChangeRoot
from trustplane.flows.roots.survey_trust import Published, SurveyTrust, held_by_server
from trustplane.main.metrics.rotation import RotationMetrics
from trustplane.main.metrics.server import ServerMetrics
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent
from trustplane.registry.view import Withdrawn
from trustplane.rotation.root_change import Order
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.store import Store
from trustplane.trust.lifecycle import Lifetimes

SERVER = NodeName("server-1")
STEPPED_EVERY = 5  # samples


@dataclass(frozen=True, slots=True)
class RotationStory:
    about: str
    length: timedelta
    starts: timedelta = timedelta(hours=1)

    def record(self, name: str) -> Recording:
        with TemporaryDirectory() as folder:
            return asyncio.run(_record(name, self, Path(folder)))


async def _nobody_is_told(order: str) -> None:
    raise AssertionError(order)


async def _record(name: str, story: RotationStory, folder: Path) -> Recording:
    clock, series = VirtualClock(START), dict[str, Series]()
    samples = int(story.length / EVERY)
    async with await Store.open(f"sqlite:///{folder / 'store.db'}", clock) as store:
        authorities = KeepAuthorities(store, authority_keys(), Instance(ACME, SERVER), Lifetimes(), clock)
        await authorities.start()
        changing = await _changing(store, authorities, clock)
        desired = KeepDesiredState(ACME, store, store, store, clock)
        metrics = ServerMetrics(authorities, desired, ConnectedAgents(), RotationMetrics(changing))
        for sample in range(samples):
            if sample == int(story.starts / EVERY):
                await changing.start(Order("local:ann", "yearly rotation"))
            if sample % STEPPED_EVERY == 0:
                await store.put_holdings([held_by_server(SERVER, authorities.bundle(), clock.now())])
                await changing.go_on()
                await authorities.settle()
            for told, value in scraped(metrics.registry, {}):
                series.setdefault(told, Series()).put(sample, value)
            await clock.advance(EVERY)
    written = {told: one.written(samples) for told, one in sorted(series.items())}
    return Recording(name, story.about, EVERY // timedelta(minutes=1), story.length // timedelta(minutes=1), written)


async def _changing(store: Store, authorities: KeepAuthorities, clock: VirtualClock) -> ChangeRoot:
    """Of a fleet of one node, whose sidecar is there and says nothing."""
    await store.put_agent(Agent(NODE, "192.0.2.1", "join-token", START, 1, START + timedelta(days=1)))
    await store.put_hosting(NODE, frozenset({ServiceName("shop", "web")}), START)

    def published() -> Published:
        return Published(authorities.bundle(), Withdrawn(), timedelta(minutes=5))

    present = Present(Attendance(frozenset({NODE}), servers=frozenset({SERVER})))
    survey = SurveyTrust(store, published, present, clock.now)
    return ChangeRoot(store, authorities, survey, _nobody_is_told, clock)
