"""What the agent shows to people on its node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from trustplane.clock import Clock
from trustplane.fault import Finding
from trustplane.flows.feed import Feed
from trustplane.flows.follow_server import FollowServer
from trustplane.flows.keep_leaves import KeepLeaves, Leaf
from trustplane.flows.node_identity import KeepLink, KeepNodeIdentity
from trustplane.flows.sidecar_uptake import Attached, SidecarUptake
from trustplane.main.settings import AgentSettings
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import digest
from trustplane.wire import http_shapes as shapes


@dataclass(frozen=True, slots=True)
class BehindAgent:
    """What stands behind the door."""

    settings: AgentSettings
    started_at: datetime
    node: KeepNodeIdentity
    link: KeepLink
    follower: FollowServer
    leaves: KeepLeaves
    views: Feed[NodeView | None]
    uptake: SidecarUptake
    clock: Clock


class Door:
    """Satisfies `wire.http_agent.AgentDoor`."""

    def __init__(self, behind: BehindAgent, workloads: Callable[[], int]) -> None:
        self._behind = behind
        self._workloads = workloads

    def status(self) -> shapes.AgentStatusShape:
        behind, settings = self._behind, self._behind.settings
        identity, view = behind.node.identity.value, behind.views.value
        connected = behind.follower.connected_since is not None
        # An identity that is not renewed is told also while the stream of before lives on.
        fault = behind.node.last_fault or (None if connected else behind.follower.last_fault)
        return shapes.AgentStatusShape(
            node=str(settings.node),
            trust_domain=str(settings.trust_domain),
            version=version("trustplane"),
            now=behind.clock.now(),
            started_at=behind.started_at,
            server=behind.link.address,
            server_state="connected" if connected else ("enrolling" if identity is None else "disconnected"),
            server_error=str(fault) if fault else None,
            disconnected_since=behind.follower.disconnected_since,
            node_serial=f"{identity.keyed.svid.serial:x}" if identity else None,
            node_expires_at=identity.keyed.svid.not_after if identity else None,
            revision=view.revision if view else None,
            view_digest=digest(view) if view else None,
            entries=tuple(map(_entry, behind.leaves.leaves)),
            sidecars=tuple(map(self._sidecar, behind.uptake.sidecars)),
            workloads=self._workloads(),
            workload_socket=str(settings.workload_socket),
            xds_socket=str(settings.xds_socket),
        )

    def cannot_serve(self) -> Sequence[Finding]:
        at = self._behind.clock.now()
        found = [] if self._behind.node.identity.value else [_not_enrolled(self._behind)]
        if self._behind.views.value is None:
            found.append(_no_view(self._behind))
        found.extend(_no_svid(leaf) for leaf in self._behind.leaves.leaves if leaf.usable(at) is None)
        return found

    def _sidecar(self, one: Attached) -> shapes.AgentSidecarShape:
        holdings = self._behind.uptake.holdings_of(one.service)
        refusals = [holding.refusal for holding in holdings if holding.refusal]
        serving = one.listening and all(holding.held == holding.desired for holding in holdings)
        return shapes.AgentSidecarShape(
            service=str(one.service),
            attached_at=one.since,
            serving=serving,
            refusal=one.refusal or (refusals[0] if refusals else None),
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


def _not_enrolled(behind: BehindAgent) -> Finding:
    fault = behind.node.last_fault
    return Finding(
        code="not-enrolled",
        what=f"node {behind.settings.node} has no identity",
        why=fault.finding.what if fault else "it is enrolling",
        fix=fault.finding.fix if fault else "wait a moment",
    )


def _no_view(behind: BehindAgent) -> Finding:
    fault = behind.follower.last_fault
    return Finding(
        code="no-view",
        what="the agent does not know what its node should serve",
        why=fault.finding.what if fault else "no server has told it since it started",
        fix=fault.finding.fix if fault else "wait a moment",
    )


def _no_svid(leaf: Leaf) -> Finding:
    return Finding(
        code="svid-missing",
        what=f"{leaf.entry.spiffe_id} has no valid SVID on this node",
        why=leaf.last_fault.finding.what if leaf.last_fault else "it is being issued",
        fix=leaf.last_fault.finding.fix if leaf.last_fault else "wait a moment",
    )
