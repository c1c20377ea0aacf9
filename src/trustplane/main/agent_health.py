"""Whether this node's workloads have what they need, and for how long: the reasons, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from trustplane.fault import Fault, Finding
from trustplane.flows.feed import Feed
from trustplane.flows.node.clock_watch import ClockWatch
from trustplane.flows.node.follow_server import FollowServer
from trustplane.flows.node.keep_leaves import KeepLeaves
from trustplane.flows.node.leaf import Leaf
from trustplane.flows.node.node_identity import KeepNodeIdentity
from trustplane.flows.node.outlook import Held, invalid_by_the_clock, leaf_in_danger, node_in_danger
from trustplane.flows.node.remember_identities import RememberIdentities
from trustplane.registry.view import NodeView
from trustplane.spiffe.names import NodeName


@dataclass(frozen=True, slots=True)
class AgentHealth:
    own: NodeName
    node: KeepNodeIdentity
    follower: FollowServer
    leaves: KeepLeaves
    views: Feed[NodeView | None]
    memory: RememberIdentities
    watch: ClockWatch

    def red(self, at: datetime) -> Sequence[Finding]:
        """What is lost already, and what is about to be."""
        return [*self._node(at), *self._view(), *self._leaves(at)]

    def yellow(self) -> Sequence[Finding]:
        """What costs nothing yet."""
        clock, late = self.watch.finding(), self._late()
        return [
            *([late] if late else []),
            *([clock] if clock else []),
            *([self.memory.fault.finding] if self.memory.fault else []),
        ]

    def _late(self) -> Finding | None:
        late = self.leaves.late
        if not late:
            return None
        faults = [leaf.last_fault for leaf in self.leaves.leaves if leaf.last_fault]
        why, fix = _why(faults[0] if faults else None, "they were asked for and nothing was answered")
        what = f"{late} SVIDs of this node are late: over half of the time from renewal to expiry is gone"
        return Finding(code="svids-late", what=what, why=why, fix=fix)

    def _node(self, at: datetime) -> Iterator[Finding]:
        identity = self.node.identity.value
        if identity is None:
            why, fix = _why(self.node.last_fault, "it is enrolling")
            yield Finding(code="node-without-identity", what=f"node {self.own} has no identity", why=why, fix=fix)
            return
        svid = identity.keyed.svid
        if at >= svid.not_after:
            why, fix = _why(self.node.last_fault, "no server renewed it in time")
            yield Finding(code="node-svid-expired", what=f"{svid.spiffe_id} has expired", why=why, fix=fix)
        elif endangered := node_in_danger(Held(svid, identity.renew_at, self.node.last_fault), at):
            yield endangered

    def _view(self) -> Iterator[Finding]:
        if self.views.value is None:
            why, fix = _why(self.follower.last_fault, "no server has told it since it started")
            what = "the agent does not know what its node should serve"
            yield Finding(code="no-view", what=what, why=why, fix=fix)

    def _leaves(self, at: datetime) -> Iterator[Finding]:
        for leaf in self.leaves.leaves:
            if leaf.usable(at) is None:
                yield self._missing(leaf, at)
            elif leaf.keyed and (found := leaf_in_danger(Held(leaf.keyed.svid, leaf.renew_at, leaf.last_fault), at)):
                yield found

    def _missing(self, leaf: Leaf, at: datetime) -> Finding:
        if leaf.keyed and (found := invalid_by_the_clock(leaf.keyed.svid, at, self.watch.skew or self.watch.before)):
            return found
        why, fix = _why(leaf.last_fault, "it is being issued")
        what = f"{leaf.entry.spiffe_id} has no valid SVID on this node"
        return Finding(code="svid-missing", what=what, why=why, fix=fix)


def _why(fault: Fault | None, otherwise: str) -> tuple[str, str]:
    """The reason, and what helps."""
    return (fault.finding.what, fault.finding.fix) if fault else (otherwise, "wait a moment")
