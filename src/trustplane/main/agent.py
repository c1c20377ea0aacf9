"""The agent process, put together: settings in, one TaskGroup running until it is asked to stop.

The sockets open at once, so that workloads which start early wait for an identity and not for a file. What the agent
earned before is used again after a restart, and what it served is served again, whether or not a server is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom

import grpc
import structlog
import uvloop

from trustplane.attest.entitlement import needs_digest
from trustplane.fault import Unavailable
from trustplane.flows.federation.probe_partners import CalledElsewhere, ProbePartners
from trustplane.flows.feed import Feed
from trustplane.flows.node.ask_leaves import AskLeaves
from trustplane.flows.node.clock_watch import ClockWatch, LatestClock
from trustplane.flows.node.follow_server import FollowServer, Outbox
from trustplane.flows.node.keep_leaves import KeepLeaves
from trustplane.flows.node.node_identity import KeepLink, KeepNodeIdentity
from trustplane.flows.node.node_link import NodeIdentity
from trustplane.flows.node.probe_sidecars import Door as ProbedDoor
from trustplane.flows.node.probe_sidecars import ProbeSidecars, order_probe
from trustplane.flows.node.remember_identities import Remembered, RememberIdentities
from trustplane.flows.node.report_trust import ReportTrust
from trustplane.flows.node.serve_identities import HeldIdentities, ServeIdentities
from trustplane.flows.records.deliver_parcels import DeliverParcels
from trustplane.flows.records.export_telemetry import WaitingFailures
from trustplane.flows.roots.sidecar_uptake import SidecarUptake
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.host.clock import SystemClock
from trustplane.host.descriptor_limit import raise_descriptor_limit
from trustplane.host.directories import own_directory
from trustplane.host.envoy import find_envoy
from trustplane.host.handshake_probe import knock
from trustplane.host.identity_cache import IdentityCache
from trustplane.host.identity_file import IdentityFile
from trustplane.host.inner_socket import inner_socket
from trustplane.host.logs import log_to_stderr
from trustplane.host.proc import ProcCallers, ProcReader
from trustplane.host.relay import Relay
from trustplane.host.signals import until_asked_to_stop
from trustplane.host.unix_socket import PRIVATE, listen
from trustplane.keys.cache_seal import choose_cache_seal
from trustplane.keys.leaf import LeafKey
from trustplane.keys.sealing import credentials_directory
from trustplane.main.agent_door import BehindAgent, Door
from trustplane.main.agent_enrolment import Enrolment
from trustplane.main.agent_health import AgentHealth
from trustplane.main.agent_sidecars import Sidecars, sidecars_of
from trustplane.main.first_fault import first_fault
from trustplane.main.metrics.agent import Watched, agent_metrics
from trustplane.main.metrics.collected import CollectedMetrics
from trustplane.main.metrics.decisions import DecisionMetrics
from trustplane.main.settings import AgentSettings
from trustplane.main.telemetry import telemetry_of
from trustplane.registry.view import NodeView
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import agent_id
from trustplane.spiffe.selectors import Selector
from trustplane.verdict.delivery import Parcel
from trustplane.wire import access_logs, xds
from trustplane.wire.access_logs import Listeners
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.http_agent import agent_application
from trustplane.wire.http_serve import HttpServer
from trustplane.wire.node_client import NodeClient, ServerTrust
from trustplane.wire.workload_api import workload_server
from trustplane.wire.xds_messages import XdsMessages
from trustplane.wire.xds_stream import XdsPorts

_log = structlog.get_logger("agent")


class _Xds:
    """The ports of `wire.xds` that attest a peer, over the agent's relay."""

    def __init__(self, callers: ProcCallers, views: Feed[NodeView | None]) -> None:
        self._callers = callers
        self._views = views

    async def selectors(self, peer: str) -> frozenset[Selector]:
        view = self._views.value
        digest = needs_digest(view.entries) if view else False
        return (await self._callers.of(peer).evidence(digest=digest)).selectors()


class _Minter:
    def __init__(self, links: KeepLink) -> None:
        self._links = links

    async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str:
        link = await self._links.dial()
        return await link.mint(spiffe_id, audience)


@dataclass(frozen=True, slots=True)
class Flows:
    clock: SystemClock
    started_at: datetime
    node: KeepNodeIdentity
    links: KeepLink
    follower: FollowServer
    leaves: KeepLeaves
    memory: RememberIdentities
    remembered: Remembered | None
    watch: ClockWatch
    sidecars: Sidecars
    trust: ReportTrust
    probes: ProbeSidecars
    decided: DeliverParcels[Parcel]
    failed: DeliverParcels[HandshakeParcel]
    views: Feed[NodeView | None]
    identities: Feed[HeldIdentities]


def run(settings: AgentSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises a Fault if it cannot start."""
    log_to_stderr()
    raise_descriptor_limit()
    try:
        uvloop.run(_serve(settings))
    except BaseExceptionGroup as group:
        raise first_fault(group) from None


async def _serve(settings: AgentSettings) -> None:
    clock = SystemClock()
    own_directory(settings.data_dir)
    flows = _flows(settings, clock)
    _recall(flows)
    async with AsyncExitStack() as doors:
        serving = await _open_sockets(settings, flows, clock, doors)
        _log.info("serving", workload_socket=str(settings.workload_socket), xds_socket=str(settings.xds_socket))
        async with asyncio.TaskGroup() as tasks:
            keeping = [tasks.create_task(work) for work in (*_work(flows), *serving)]
            await until_asked_to_stop()
            _log.info("stopping")
            for task in keeping:
                task.cancel()
        await _last_words(flows)
        await flows.links.close()


async def _last_words(flows: Flows) -> None:
    """What was counted since the last write; it is delivered after the next start."""
    with contextlib.suppress(Unavailable):
        await flows.sidecars.decisions.close()
    with contextlib.suppress(Unavailable):
        await flows.sidecars.handshakes.close()


def _flows(settings: AgentSettings, clock: SystemClock) -> Flows:
    memory, remembered = _memory(settings, clock)
    watch = ClockWatch(clock, clock.elapsed, remembered.skew if remembered else None)
    views: Feed[NodeView | None] = Feed(None)
    identities = Feed(HeldIdentities.nothing_yet())
    outbox = Outbox()
    own = agent_id(settings.trust_domain, settings.node)
    file = IdentityFile(settings.data_dir)

    def trust(bundle: Bundle) -> ServerTrust:
        return ServerTrust(bundle, clock, watch.exchanged, lambda: watch.skew)

    async def connect(address: str, identity: NodeIdentity, bundle: Bundle) -> NodeClient:
        return await NodeClient.connect(address, identity.keyed, trust(bundle), settings.address, version("trustplane"))

    latest = LatestClock(clock, watch)
    node = KeepNodeIdentity(own, file, Enrolment(settings, trust), LeafKey.generate, latest)

    links = KeepLink([str(one) for one in settings.servers], connect, node.identity, node.know_no_server)
    asking = AskLeaves(links.line, len(settings.servers), LeafKey.generate, SystemRandom().getrandbits(64), clock)
    sidecars = sidecars_of(settings, (views, identities), outbox, clock)
    return Flows(
        clock=clock,
        started_at=clock.now(),
        node=node,
        links=links,
        follower=FollowServer(links, views, outbox, clock),
        leaves=KeepLeaves(asking, views, identities, clock, watch.latest),
        memory=memory,
        remembered=remembered,
        watch=watch,
        sidecars=sidecars,
        trust=ReportTrust(settings.node, settings.trust_domain, outbox, clock),
        probes=_probes(settings, (links, outbox), (views, identities), sidecars.uptake, clock),
        decided=DeliverParcels(sidecars.decided, partial(_deliver, links), clock),
        failed=DeliverParcels(sidecars.failed, partial(_deliver_handshakes, links), clock),
        views=views,
        identities=identities,
    )


async def _deliver(links: KeepLink, parcel: Parcel) -> int:
    return await (await links.dial()).deliver(parcel)


async def _deliver_handshakes(links: KeepLink, parcel: HandshakeParcel) -> int:
    return await (await links.dial()).deliver_handshakes(parcel)


def _probes(
    settings: AgentSettings,
    line: tuple[KeepLink, Outbox],
    held: tuple[Feed[NodeView | None], Feed[HeldIdentities]],
    uptake: SidecarUptake,
    clock: SystemClock,
) -> ProbeSidecars:
    links, outbox = line
    order = partial(order_probe, links.dial, LeafKey.generate)
    called = CalledElsewhere(settings.node, *held, lambda: uptake.listening)
    elsewhere = ProbePartners(called, outbox, knock, clock)
    door = ProbedDoor(settings.trust_domain, settings.address, knock, elsewhere)
    return ProbeSidecars(order, held, uptake, door, clock)


def _memory(settings: AgentSettings, clock: SystemClock) -> tuple[RememberIdentities, Remembered | None]:
    own = agent_id(settings.trust_domain, settings.node)
    seal = partial(choose_cache_seal, settings.data_dir, own, credentials_directory())
    memory = RememberIdentities(IdentityCache(settings.data_dir, own, seal), clock)
    return memory, memory.load()


async def _compare_clocks(flows: Flows) -> None:
    link = await flows.links.dial()
    if isinstance(link, NodeClient):
        await link.greet()


def _recall(flows: Flows) -> None:
    """Before any socket answers: what this node was served before a restart, until a server says otherwise."""
    remembered = flows.remembered
    if remembered is not None:
        flows.leaves.restore(remembered.view, remembered.leaves)
        flows.views.publish(remembered.view)


def _to_remember(flows: Flows) -> Remembered | None:
    view = flows.views.value
    return Remembered(flows.clock.now(), view, flows.leaves.kept(), flows.watch.skew) if view is not None else None


def _work(flows: Flows) -> list[Coroutine[None, None, None]]:
    random = SystemRandom()
    return [
        flows.node.run(flows.links.dial, random),
        flows.node.remember(flows.views),
        _once_enrolled(flows, flows.follower.run, random),
        flows.leaves.run(),
        flows.watch.run(partial(_compare_clocks, flows)),
        flows.memory.run(flows.leaves.changes, partial(_to_remember, flows), random),
        flows.sidecars.offers.run(),
        flows.sidecars.uptake.run(flows.sidecars.checks.lives),
        flows.sidecars.checks.run(),
        flows.sidecars.links.run(),
        flows.sidecars.connections.run(),
        flows.sidecars.decisions.run(),
        flows.sidecars.handshakes.run(),
        flows.sidecars.given.run(),
        flows.sidecars.completed.run(),
        flows.sidecars.missed.run(),
        flows.sidecars.setups.run(),
        _once_enrolled(flows, flows.decided.run, random),
        _once_enrolled(flows, flows.failed.run, random),
        flows.trust.run(flows.identities),
        flows.probes.run(),
    ]


async def _once_enrolled(
    flows: Flows, work: Callable[[SystemRandom], Coroutine[None, None, None]], random: SystemRandom
) -> None:
    async for identity in flows.node.identity.values():
        if identity is not None:
            await work(random)
            return


async def _open_sockets(
    settings: AgentSettings, flows: Flows, clock: SystemClock, doors: AsyncExitStack
) -> list[Coroutine[None, None, None]]:
    """Both public sockets behind their relays, and the one for people; answers with what is still to be run."""
    peers = flows.sidecars.peers
    callers = ProcCallers(peers, ProcReader())
    serve = ServeIdentities(flows.identities, _Minter(flows.links), clock, flows.trust)
    inner = doors.enter_context(inner_socket())
    workloads = Relay(_listen(settings.workload_socket, doors), inner, peers)
    await _start(workload_server(serve, callers, inner), doors)

    local = flows.sidecars
    ports = XdsPorts(_Xds(callers, flows.views), local.offers, local.uptake, local.checks)
    inner = doors.enter_context(inner_socket())
    proxies = Relay(_listen(settings.xds_socket, doors), inner, peers)
    await _start(_xds_server(settings, ports, Listeners(local.links, local.decisions, local.missed), inner), doors)

    health = AgentHealth(
        settings.node, flows.node, flows.follower, flows.leaves, flows.views, flows.memory, flows.watch
    )
    behind = BehindAgent(settings, flows.started_at, flows.links, local.uptake, local.connections, health, clock)
    door = Door(behind, lambda: workloads.connections)
    admin = listen(settings.admin_socket, PRIVATE)
    doors.callback(admin.close)
    seen = (flows.node, flows.follower, flows.leaves, flows.memory, flows.watch)
    watched = Watched(*seen, local.checks, local.links, clock)
    metrics = agent_metrics(watched)
    metrics.register(DecisionMetrics(local.decisions, local.decided))
    metrics.register(CollectedMetrics(local.handshakes, local.failed))
    whose = ("agent", settings.node.name, settings.trust_domain)
    told = telemetry_of(settings.telemetry, whose, metrics, clock, doors, waiting=WaitingFailures())
    http = HttpServer(agent_application(door, metrics), admin.listener)
    return [workloads.run(), proxies.run(), http.run_until_cancelled(), *told]


def _xds_server(settings: AgentSettings, ports: XdsPorts, told: Listeners, inner: Path) -> grpc.aio.Server:
    descriptors = Descriptors.of(find_envoy(settings.envoy), settings.data_dir)
    server = grpc.aio.server(options=xds.SERVER_OPTIONS)
    server.add_generic_rpc_handlers(xds.services(ports, XdsMessages(descriptors)))
    server.add_generic_rpc_handlers((access_logs.service(ports.peers, ports.offers, told, descriptors),))
    server.add_insecure_port(f"unix:{inner}")
    return server


async def _start(server: grpc.aio.Server, doors: AsyncExitStack) -> None:
    await server.start()
    doors.push_async_callback(server.stop, None)


def _listen(path: Path, doors: AsyncExitStack) -> socket.socket:
    opened = listen(path)
    doors.callback(opened.close)
    return opened.listener
