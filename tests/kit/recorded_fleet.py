"""A fleet as Prometheus would have scraped it: the flows and collectors of production in virtual time.

Authorities, CRLs, the trust repository and a partner are those of a server over a real store; the fleet it reads is
`recorded_world`'s. Issuers are named by their order, so that the same scenario gives the same recording.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from tests.kit.clock import START, VirtualClock
from tests.kit.federating import OFF, Own
from tests.kit.federating import Server as Federating
from tests.kit.issuing_ports import ACME
from tests.kit.partner import PARTNER, Partner, federated
from tests.kit.promtool import Recording, Series
from tests.kit.recorded_world import IDS, LIFE, NODES, Broken, Keys, World, node_of, renewals
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.desired.connected_agents import ConnectedAgents, Connection
from trustplane.flows.issuing.issue import Issued, Request
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.flows.issuing.publish_bundle import PublishBundle
from trustplane.flows.issuing.watch_outage_budget import WatchOutageBudget
from trustplane.flows.roots.survey_trust import Published
from trustplane.flows.roots.watch_fleet import WatchFleet
from trustplane.main.metrics.chain import ChainMetrics
from trustplane.main.metrics.crl import CrlMetrics
from trustplane.main.metrics.federation import FederationMetrics
from trustplane.main.metrics.fleet import FleetMetrics
from trustplane.main.metrics.outage import OutageGauges
from trustplane.main.metrics.server import CountedIssuer, ServerMetrics
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Store
from trustplane.trust.lifecycle import Lifetimes
from trustplane.trust.revocation import Cause, Reason, Revocations, RevokedCertificate

EVERY = timedelta(minutes=2)
SETTLED_EVERY = 3  # samples
LIFETIMES = Lifetimes(issuing=timedelta(hours=9), jwt=timedelta(hours=9))
DOMAIN = "mttr: 10m\nclusters: {east: {nodes: [east-*]}, west: {nodes: [west-*]}}\nfederation:\n"
NOT_ENTITLED = Refused(code="not-entitled", what="no", why="no entry", fix="write one")


@dataclass(frozen=True, slots=True)
class Story:
    """What is recorded. `lifetimes` are of authorities, `life` is of leaves."""

    about: str
    broken: Broken = field(default_factory=Broken)
    length: timedelta = timedelta(minutes=150)
    lifetimes: Lifetimes = LIFETIMES
    life: timedelta = LIFE

    def record(self, name: str) -> Recording:
        with TemporaryDirectory() as folder:
            return asyncio.run(_record(name, self, Path(folder)))


class _Answers:
    """An issuer whose answers are a scenario's."""

    def __init__(self) -> None:
        self.refuses = False

    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]:
        del node
        return [NOT_ENTITLED if self.refuses else Issued((), 1, at, at) for _ in requests]


@dataclass
class _Server:
    world: World
    authorities: KeepAuthorities
    revocations: KeepRevocations
    federating: Federating
    connected: ConnectedAgents
    outage: WatchOutageBudget
    registry: CollectorRegistry
    answers: _Answers
    counted: CountedIssuer
    keys: tuple[Keys, Keys]
    partner: Partner

    async def settle(self) -> None:
        """What a server does every few seconds or minutes."""
        broken = self.world.broken
        of_authorities, of_crls = self.keys
        of_authorities.away, of_crls.away = broken.keys, broken.crl_keys
        with suppress(Unavailable):
            await self.authorities.settle()
        signer = self.authorities.x509_signer().authority
        self.world.issuer = signer.id
        self.world.bundle = self.authorities.bundle().x509_digest
        cause = Cause(Reason.SUPERSEDED, "", "local:ann", START)
        revoked = RevokedCertificate(7, IDS[0], signer.id, "00" * 32, signer.not_after, cause)
        await self.federating.store.put_revocations(Revocations(certificates=(revoked,)))
        await self.revocations.settle()
        self.federating.endpoints.served[PARTNER] = OFF if broken.partner else self.partner.document()
        await self.federating.federate.poll(PARTNER)

    def connect(self) -> None:
        for node in self.connected.nodes():
            self.connected.cut(node)
        for number in range(NODES):
            if not self.world.is_away(number):
                self._connect(number)

    def _connect(self, number: int) -> None:
        opened: list[Connection] = []

        def cut() -> None:
            self.connected.closed(opened[0])

        opened.append(Connection(node_of(number), self.world.build(number), cut, self.world.skew(number)))
        self.connected.opened(opened[0])

    async def asked(self, leaves: int) -> None:
        self.answers.refuses = self.world.broken.refusals
        await self.counted.issue(node_of(0), [Request(str(IDS[0]), b"")] * leaves, self.world.clock.now())


async def _record(name: str, story: Story, folder: Path) -> Recording:
    clock = VirtualClock(START)
    issued = renewals(story.broken, story.length, story.life)
    series: dict[str, Series] = {}
    samples = int(story.length / EVERY)
    async with await Store.open(f"sqlite:///{folder / 'store.db'}", clock) as store:
        server = await _server(store, World(clock, story.broken), story.lifetimes)
        names: dict[str, str] = {}
        for sample in range(samples):
            if sample % SETTLED_EVERY == 0:
                await server.settle()
            news = 0
            while issued and START + issued[0].at <= clock.now():
                server.world.issue(issued.pop(0))
                news += 1
            server.connect()
            await server.asked(4 if server.world.broken.refusals else news)
            await server.outage.read()
            if not server.world.broken.server:
                for told, value in scraped(server.registry, names):
                    series.setdefault(told, Series()).put(sample, value)
            await clock.advance(EVERY)
    written = {told: one.written(samples) for told, one in sorted(series.items())}
    return Recording(name, story.about, EVERY // timedelta(minutes=1), story.length // timedelta(minutes=1), written)


async def _server(store: Store, world: World, lifetimes: Lifetimes) -> _Server:
    clock, keys, partner = world.clock, (Keys(), Keys()), Partner()
    authorities = KeepAuthorities(store, keys[0], Instance(ACME, NodeName("server-1")), lifetimes, clock)
    await authorities.start()
    federating = await Federating.on(store, clock, own=Own())
    await federating.apply(federated(partner, domain=DOMAIN + partner.terms()))
    desired, connected = federating.desired, ConnectedAgents()
    revocations = KeepRevocations(store, keys[1], desired, clock)

    def published() -> Published:
        bundle = authorities.bundle()
        return Published(bundle, revocations.withdrawn.value, timedelta(minutes=5), clusters=desired.clusters())

    fleet = WatchFleet(world, (desired, world, connected), published, clock)
    outage = WatchOutageBudget(world, desired, clock, fleet)
    metrics = ServerMetrics(authorities, desired, connected, OutageGauges(outage, desired, clock))
    for further in (
        FleetMetrics(fleet, connected),
        ChainMetrics(authorities, outage, revocations),
        CrlMetrics(revocations),
        FederationMetrics(federating.federate, PublishBundle(authorities, desired, store)),
    ):
        metrics.registry.register(further)
    answers = _Answers()
    counted = metrics.counted(answers)
    return _Server(
        world,
        authorities,
        revocations,
        federating,
        connected,
        outage,
        metrics.registry,
        answers,
        counted,
        keys,
        partner,
    )


def scraped(registry: CollectorRegistry, names: dict[str, str]) -> Iterator[tuple[str, float]]:
    """Each figure under its name and labels; instants count from the start, as promtool's do."""
    for metric in registry.collect():
        yield from _samples(metric, names)


def _samples(metric: Metric, names: dict[str, str]) -> Iterator[tuple[str, float]]:
    for sample in metric.samples:
        if sample.name.endswith("_created"):
            continue
        labels = dict(sample.labels)
        if labels.get("by") == "issuer":
            labels["cohort"] = names.setdefault(labels["cohort"], f"issuer-{len(names) + 1}")
        shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        is_instant = metric.name.endswith("_timestamp_seconds")
        value = sample.value - START.timestamp() if is_instant else sample.value
        yield (f"{sample.name}{{{shown}}}" if shown else sample.name), value
