"""The server process, put together: settings in, one TaskGroup running until it is asked to stop.

The order of the start: the store, this instance's authorities, its own SVID, then the doors, so that a door that is
open can answer.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.metadata import version
from random import SystemRandom

import structlog
import uvloop
from cryptography.hazmat.primitives.serialization import load_der_private_key

from trustplane.fault import Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.issuing.forget_expired import ForgetExpired
from trustplane.flows.issuing.issue_probes import IssueProbes
from trustplane.flows.issuing.readmit import NodeEvidence
from trustplane.flows.issuing.vouch_for_nodes import VouchForNodes
from trustplane.flows.people.keep_accounts import KeepAccounts
from trustplane.flows.people.sign_in import SignIn
from trustplane.flows.records.keep_rollouts import KeepRollouts
from trustplane.flows.roots.note_doubts import NoteDoubts
from trustplane.host.clock import SystemClock
from trustplane.host.descriptor_limit import raise_descriptor_limit
from trustplane.host.directories import own_directory
from trustplane.host.logs import log_to_stderr
from trustplane.host.node_certificates import NodeCertificateCas
from trustplane.host.signals import until_asked_to_stop
from trustplane.host.tls_context import server_context
from trustplane.host.unix_socket import PRIVATE, listen
from trustplane.main.federation_doors import open_federation_doors
from trustplane.main.first_fault import first_fault
from trustplane.main.http_doors import in_background, present_each, serve_http
from trustplane.main.metrics.server import ServerMetrics
from trustplane.main.server_door import Behind, Door
from trustplane.main.server_flows import Flows, flows_of
from trustplane.main.server_following import follow_revocations, follow_standing, follow_store, remake_connections
from trustplane.main.server_shows import metrics_of
from trustplane.main.settings import ServerSettings
from trustplane.main.telemetry import telemetry_of
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.store.store import Changes, Store
from trustplane.wire import proof
from trustplane.wire.gen.trustplane.node.v1 import node_pb2_grpc
from trustplane.wire.http_api import admin_application, public_application
from trustplane.wire.http_door import ServerFacts
from trustplane.wire.http_serve import HttpServer, tcp_listener
from trustplane.wire.node_server import TlsIdentity, open_door
from trustplane.wire.node_service import EnrolmentService, NodeDoors, NodeService

DOOR_CLOSES_WITHIN = 2.0  # seconds

_log = structlog.get_logger("server")


class ServerKey:
    """The server's SVID as the doors need it; satisfies `wire.node_service.ServerKey`."""

    def __init__(self, identity: Feed[KeyedSvid | None], bundle: Callable[[], Bundle]) -> None:
        self._identity = identity
        self._bundle = bundle

    def keyed(self) -> KeyedSvid:
        keyed = self._identity.value
        if keyed is None:
            raise Unavailable(
                code="server-starting",
                what="the server has no identity yet",
                why="it was started just now",
                fix="try again",
                retry_after=timedelta(seconds=1),
            )
        return keyed

    def chain(self) -> tuple[bytes, ...]:
        return self.keyed().svid.der()

    def prove(self, purpose: bytes, nonce: bytes) -> bytes:
        return proof.sign(load_der_private_key(self.keyed().key_pkcs8, None), purpose, nonce)

    def tls(self) -> TlsIdentity:
        keyed = self.keyed()
        return TlsIdentity(keyed.svid.pem(), keyed.key_pem(), self._bundle().x509_pem())


def run(settings: ServerSettings, clock: SystemClock | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises a Fault if it cannot start. A rehearsal brings a clock that is wrong."""
    log_to_stderr()
    raise_descriptor_limit()
    try:
        uvloop.run(_serve(settings, clock or SystemClock()))
    except BaseExceptionGroup as group:
        raise first_fault(group) from None


async def _serve(settings: ServerSettings, clock: SystemClock) -> None:
    own_directory(settings.data_dir)
    async with await Store.open(settings.database, clock) as store:
        flows = flows_of(settings, store, clock)
        changes = store.changes()  # before anything is read, so that nothing is missed
        await flows.desired.load()  # first: with whom there are relations says how early keys are published
        await flows.authorities.start()
        flows.issuer.recall(await store.newest_certificates(), clock.now())
        await flows.revocations.settle()
        await flows.desired.trust(flows.authorities.bundle())
        await flows.desired.withdraw(flows.revocations.withdrawn.value)
        await remake_connections(flows)
        await flows.trying.settle()
        await flows.federate.settle()
        await flows.asking.settle()
        await flows.published.current()  # numbered before anyone asks, and for the metrics
        await flows.identity.obtain()
        door = _door(settings, flows, clock)
        await door.proposals().start()
        async with asyncio.TaskGroup() as tasks:
            keeping = [tasks.create_task(work) for work in _work(flows, settings.instance, changes, clock)]
            keeping.append(tasks.create_task(door.proposals().run()))
            async with AsyncExitStack() as doors:
                await _open_doors(settings, (flows, door), clock, tasks, doors)
                _set_aside_for_good()
                _log.info("ready", trust_domain=str(settings.trust_domain), instance=str(settings.instance))
                await until_asked_to_stop()
                _log.info("stopping")
            for task in keeping:
                task.cancel()


def _facts(settings: ServerSettings, clock: SystemClock) -> ServerFacts:
    database = settings.database.split(":", 1)[0].split("+", 1)[0]
    return ServerFacts(settings.trust_domain, settings.instance, version("trustplane"), database, clock.now())


def _door(settings: ServerSettings, flows: Flows, clock: SystemClock) -> Door:
    return Door(
        Behind(
            facts=_facts(settings, clock),
            store=flows.store,
            authorities=flows.authorities,
            desired=flows.desired,
            enrol=flows.enrol,
            connected=flows.connected,
            presence=flows.presence,
            outage=flows.outage,
            revocations=flows.revocations,
            revoke=flows.revoke,
            changing=flows.changing,
            readiness=flows.readiness,
            federate=flows.federate,
            published=flows.published,
            asking=flows.asking,
            stating=flows.stating,
            trying=flows.trying,
            people=KeepAccounts(flows.store, clock),
            sign_in=SignIn(flows.store, clock),
            approvals_required=settings.approvals_required,
            rollouts=KeepRollouts(flows.store, lambda: flows.desired.declared().services, clock),
            audit_key=flows.audit_key,
            clock=clock,
        )
    )


def _work(flows: Flows, instance: NodeName, changes: Changes, clock: SystemClock) -> list[Coroutine[None, None, None]]:
    random = SystemRandom()
    return [
        flows.authorities.run(),
        flows.identity.run(random),
        flows.turns.run(),
        flows.checkpoints.run(clock),
        ForgetExpired(flows.store, clock).run(),
        flows.outage.run(),
        flows.revocations.run(),
        flows.replacing.run(),
        flows.changing.run(),
        flows.presence.run(),
        flows.federate.run(),
        flows.asking.run(),
        flows.trying.run(),
        flows.decisions.run(),
        flows.handshakes.run(),
        follow_revocations(flows, clock),
        follow_standing(flows, instance, clock),
        follow_store(flows, changes, clock),
    ]


def _set_aside_for_good() -> None:
    """Modules and what else lives as long as the process are no longer searched for garbage: a twentieth of issuing."""
    gc.collect()
    gc.freeze()


async def _open_doors(
    settings: ServerSettings,
    behind: tuple[Flows, Door],
    clock: SystemClock,
    tasks: asyncio.TaskGroup,
    doors: AsyncExitStack,
) -> None:
    flows, door = behind
    key = ServerKey(flows.identity.identity, flows.authorities.bundle)
    metrics = metrics_of(flows, clock)
    whose = ("server", settings.instance.name, settings.trust_domain)
    for work in telemetry_of(settings.telemetry, whose, metrics.registry, clock, doors, waiting=flows.told_on):
        in_background(work, tasks, doors)
    await _open_agent_doors(settings, flows, clock, (key, metrics), doors)
    admin = listen(settings.admin_socket, PRIVATE)
    doors.callback(admin.close)
    await serve_http(HttpServer(admin_application(door, metrics.registry, clock), admin.listener), tasks, doors)
    if settings.listen_https is not None:
        context = server_context(key.keyed())
        listener = tcp_listener(settings.listen_https.host, settings.listen_https.port)
        application = public_application(door, metrics.registry, clock)
        await serve_http(HttpServer(application, listener, context), tasks, doors)
        in_background(present_each(context, flows.identity.identity), tasks, doors)
    await open_federation_doors(settings.federation, door, flows.identity.identity, tasks, doors)
    if settings.console.listen is not None:
        from trustplane.main.console_door import open_console  # noqa: PLC0415 - pages cost who has none half a second

        await open_console(settings.console, door, flows.store, clock, (tasks, doors))


async def _open_agent_doors(
    settings: ServerSettings,
    flows: Flows,
    clock: SystemClock,
    identity: tuple[ServerKey, ServerMetrics],
    doors: AsyncExitStack,
) -> None:
    key, metrics = identity

    def own_bundle() -> bytes:
        return bundle_document.encode(flows.authorities.bundle())

    behind = NodeDoors(
        flows.enrol,
        metrics.counted(flows.turns),
        flows.minter,
        flows.desired.views,
        NoteDoubts(flows.store, clock),
        flows.connected,
        VouchForNodes(flows.revocations, flows.store),
        IssueProbes(flows.issuer, flows.authorities.probe_signer, clock),
        flows.decisions,
        flows.handshakes,
    )
    site = NodeCertificateCas.from_file(settings.node_certificates_ca)
    evidence = NodeEvidence(settings.trust_domain, site, flows.store)
    nodes, _ = open_door(str(settings.listen_node), key.tls, clients_have_certificates=True)
    service = NodeService(settings.trust_domain, behind, key, own_bundle, clock)
    node_pb2_grpc.add_NodeServicer_to_server(service, nodes)
    enrolment, _ = open_door(str(settings.listen_enrolment), key.tls, clients_have_certificates=False)
    enrolling = EnrolmentService(flows.enrol, evidence, own_bundle, clock)
    node_pb2_grpc.add_EnrolmentServicer_to_server(enrolling, enrolment)
    for door in (nodes, enrolment):
        await door.start()
        doors.push_async_callback(door.stop, DOOR_CLOSES_WITHIN)
