"""What an agent keeps of the sidecars of its node, put together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.cross_check_sidecars import CrossCheckSidecars
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.given_to_sidecars import GivenToSidecars
from trustplane.flows.node.measure_connections import MeasureConnections
from trustplane.flows.node.offer_configuration import OfferConfiguration
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.flows.records import count_handshakes
from trustplane.flows.records.collect_handshakes import CollectHandshakes
from trustplane.flows.records.count_decisions import CountDecisions
from trustplane.flows.records.count_handshakes import CountHandshakes
from trustplane.flows.records.count_missed import AccountedSpool, CountMissed
from trustplane.flows.records.tell_setups import SetupOf, TellSetups
from trustplane.flows.roots.seen_links import SeenLinks
from trustplane.flows.roots.sidecar_uptake import SidecarUptake
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.entries import Accounted, Entries
from trustplane.host.entries_file import EntriesFile
from trustplane.host.generations_file import GenerationsFile
from trustplane.host.hosting_file import HostingFile
from trustplane.host.peers import PeerTable
from trustplane.host.spool import Stream
from trustplane.host.watched_envoy import WatchedEnvoy, process_of
from trustplane.main.agent_spool import Codec, P, ParcelFiles
from trustplane.main.settings import AgentSettings
from trustplane.registry.view import NodeView
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.delivery import Parcel
from trustplane.verdict.folding import Asked
from trustplane.wire import handshake_codec, parcel_codec
from trustplane.xds.access_log import COUNTED, FAILED_IN, FAILED_OUT
from trustplane.xds.open_connections import STATISTICS
from trustplane.xds.rbac import access_to
from trustplane.xds.surroundings import Surroundings

_WRITTEN = rf"^{COUNTED}\.({FAILED_IN}|{FAILED_OUT})$"
Held = tuple[Feed[NodeView | None], Feed[HeldIdentities]]


@dataclass(frozen=True, slots=True)
class Sidecars:
    """`peers`: who is behind a connection to one of the agent's sockets."""

    peers: PeerTable
    uptake: SidecarUptake
    offers: OfferConfiguration
    checks: CrossCheckSidecars
    links: SeenLinks
    connections: MeasureConnections
    decisions: CountDecisions
    decided: ParcelFiles[Parcel]
    handshakes: CollectHandshakes
    failed: ParcelFiles[HandshakeParcel]
    given: GivenToSidecars
    completed: CountHandshakes
    missed: CountMissed
    setups: TellSetups


def sidecars_of(settings: AgentSettings, held: Held, outbox: Outbox, clock: Clock) -> Sidecars:
    peers = PeerTable()
    hosting = HostingFile(settings.data_dir)
    earlier = hosting.load()
    uptake = SidecarUptake(settings.node, outbox, hosting, clock)
    here = Surroundings(settings.loopback, settings.address)
    offers = OfferConfiguration(held, here, uptake, GenerationsFile(settings.data_dir), clock)
    checks = CrossCheckSidecars(offers.offered, uptake, partial(process_of, peers), clock)
    links = SeenLinks(settings.node, outbox, partial(_id_of, held[0]), clock)
    connections = MeasureConnections(held[0], offers, uptake, partial(_figures, checks, STATISTICS), clock)
    stream, decided = _spool(settings, clock, "decisions", parcel_codec)
    decisions = CountDecisions(settings.node, stream.id, AskedByRules(held[0]).of, decided, clock)
    given = GivenToSidecars(held, offers, clock)
    stream, failed = _spool(settings, clock, "handshakes", handshake_codec)
    file = EntriesFile(settings.data_dir)
    entries = Entries(file.load())
    spool = AccountedSpool(failed, entries, file)
    handshakes = CollectHandshakes(settings.node, stream.id, given.of, spool, clock)
    asking = partial(_figures, checks, count_handshakes.STATISTICS)
    completed = CountHandshakes(lambda: uptake.listening, asking, handshakes, clock, earlier)
    missed = CountMissed(entries, LoggingProxies(uptake, checks), handshakes, clock)
    setup_of = SetupOf(given.of, checks.build, version("trustplane"))
    setups = TellSetups(lambda: uptake.listening, setup_of, handshakes, clock)
    kept = (decisions, decided, handshakes, failed, given, completed, missed, setups)
    return Sidecars(peers, uptake, offers, checks, links, connections, *kept)


def _spool(settings: AgentSettings, clock: Clock, name: str, codec: Codec[P]) -> tuple[Stream, ParcelFiles[P]]:
    stream = Stream(int(clock.now().timestamp() * 1000), secrets.token_hex(16))
    return stream, ParcelFiles(settings.node, settings.data_dir / name, stream, codec)


class AskedByRules:
    """What the rules of a node's services ask for by name, as of the view it holds."""

    def __init__(self, views: Feed[NodeView | None]) -> None:
        self._views = views
        self._view: NodeView | None = None
        self._known: dict[ServiceName, Asked] = {}

    def of(self, service: ServiceName) -> Asked:
        view = self._views.value
        if view is not self._view:
            self._view, self._known = view, {}
        if service not in self._known:
            found = next((one for one in view.sidecars if one.service == service), None) if view else None
            self._known[service] = Asked.by(access_to(found)) if found else Asked()
        return self._known[service]


class LoggingProxies:
    """Satisfies `flows.records.count_missed.Proxies`."""

    def __init__(self, uptake: SidecarUptake, checks: CrossCheckSidecars) -> None:
        self._uptake = uptake
        self._checks = checks

    def listening(self) -> frozenset[ServiceName]:
        return self._uptake.listening

    def process(self, service: ServiceName) -> str | None:
        process = self._checks.process(service)
        return process.identity if isinstance(process, WatchedEnvoy) else None

    async def counted(self, service: ServiceName) -> Accounted:
        figures = await _figures(self._checks, _WRITTEN, service)
        return Accounted(self.process(service) or "", sum(figures.values()))


async def _figures(checks: CrossCheckSidecars, statistics: str, service: ServiceName) -> Mapping[str, int]:
    process = checks.process(service)
    if not isinstance(process, WatchedEnvoy) or not process.can_be_asked:
        raise Unavailable(
            code="envoy-figures-unavailable",
            what=f"the sidecar of {service} does not say where its administration is",
            why="its bootstrap is of an earlier version, or of its owner's own making",
            fix="start it with the bootstrap that trustplane sidecar --print-bootstrap prints",
        )
    return await process.figures(statistics)


def _id_of(views: Feed[NodeView | None], service: ServiceName) -> SpiffeId | None:
    view = views.value
    return next((one.spiffe_id for one in view.sidecars if one.service == service), None) if view else None
