"""What the agent shows to people on its node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from trustplane.clock import Clock
from trustplane.fault import Finding
from trustplane.flows.node.leaf import Leaf
from trustplane.flows.node.measure_connections import THING as CONNECTIONS
from trustplane.flows.node.measure_connections import MeasureConnections
from trustplane.flows.node.node_identity import KeepLink
from trustplane.flows.roots.sidecar_uptake import Attached, SidecarUptake
from trustplane.main.agent_health import AgentHealth
from trustplane.main.settings import AgentSettings
from trustplane.registry.view_change import digest
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_findings import finding_shape
from trustplane.xds.cross_check import PROXY


@dataclass(frozen=True, slots=True)
class BehindAgent:
    """What stands behind the door."""

    settings: AgentSettings
    started_at: datetime
    link: KeepLink
    uptake: SidecarUptake
    connections: MeasureConnections
    health: AgentHealth
    clock: Clock


class Door:
    """Satisfies `wire.http_agent.AgentDoor`."""

    def __init__(self, behind: BehindAgent, workloads: Callable[[], int]) -> None:
        self._behind = behind
        self._workloads = workloads

    def status(self) -> shapes.AgentStatusShape:
        behind, settings, known = self._behind, self._behind.settings, self._behind.health
        identity, view, skew = known.node.identity.value, known.views.value, known.watch.skew
        connected = known.follower.connected_since is not None
        # An identity that is not renewed is told also while the stream of before lives on.
        fault = known.node.last_fault or (None if connected else known.follower.last_fault)
        return shapes.AgentStatusShape(
            node=str(settings.node),
            trust_domain=str(settings.trust_domain),
            version=version("trustplane"),
            now=behind.clock.now(),
            started_at=behind.started_at,
            server=behind.link.address,
            server_state="connected" if connected else ("enrolling" if identity is None else "disconnected"),
            server_error=str(fault) if fault else None,
            disconnected_since=known.follower.disconnected_since,
            node_serial=f"{identity.keyed.svid.serial:x}" if identity else None,
            node_expires_at=identity.keyed.svid.not_after if identity else None,
            revision=view.revision if view else None,
            view_digest=digest(view) if view else None,
            entries=tuple(map(_entry, known.leaves.leaves)),
            sidecars=tuple(map(self._sidecar, behind.uptake.sidecars)),
            workloads=self._workloads(),
            workload_socket=str(settings.workload_socket),
            xds_socket=str(settings.xds_socket),
            healthy=not self.cannot_serve(),
            reasons=tuple(map(finding_shape, (*self.cannot_serve(), *known.yellow()))),
            clock_skew_seconds=skew.offset.total_seconds() if skew else None,
            clock_skew_error_seconds=skew.error.total_seconds() if skew else None,
            survives_restart=known.memory.holds(known.leaves.kept()),
        )

    def cannot_serve(self) -> Sequence[Finding]:
        return self._behind.health.red(self._behind.clock.now())

    def _sidecar(self, one: Attached) -> shapes.AgentSidecarShape:
        holdings = self._behind.uptake.holdings_of(one.service)
        measured = self._behind.connections.of(one.service)
        refusals = [holding.refusal for holding in holdings if holding.refusal]
        # What it may still have to prove, of itself or of its connections, is no lack of anything it serves with.
        told = [each for each in holdings if not each.thing.startswith(PROXY) and each.thing != CONNECTIONS]
        serving = one.listening and all(holding.held == holding.desired for holding in told)
        return shapes.AgentSidecarShape(
            service=str(one.service),
            attached_at=one.since,
            serving=serving,
            refusal=one.refusal or (refusals[0] if refusals else None),
            connections_of_before=measured.found.before if measured else None,
        )


def _entry(leaf: Leaf) -> shapes.AgentEntryShape:
    svid = leaf.keyed.svid if leaf.keyed else None
    return shapes.AgentEntryShape(
        spiffe_id=str(leaf.entry.spiffe_id),
        service=str(leaf.entry.service),
        profile=leaf.entry.profile,
        serial=f"{svid.serial:x}" if svid else None,
        not_after=svid.not_after if svid else None,
        renew_at=leaf.renew_at,
        renewals=leaf.renewals,
        last_error=str(leaf.last_fault) if leaf.last_fault else None,
    )
