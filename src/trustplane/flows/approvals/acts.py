"""All kinds of acts that are proposed, each by the flow that does it for everyone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from trustplane.clock import Clock
from trustplane.flows.approvals.dry_runs import DryRuns, PromoteDryRun
from trustplane.flows.approvals.keep_proposals import Doing
from trustplane.flows.approvals.revocations import RevokeId, RevokeIssuer, Revoking
from trustplane.flows.approvals.root_changes import Roots, StartRootChange, WaiveParticipant
from trustplane.people.proposed_act import ActKind


class Server(DryRuns, Revoking, Roots, Protocol):
    """What does them: what `main.server` builds."""


def doing_of(server: Server, clock: Clock) -> Mapping[ActKind, Doing]:
    return {
        ActKind.START_ROOT_CHANGE: StartRootChange(server),
        ActKind.WAIVE_PARTICIPANT: WaiveParticipant(server, clock),
        ActKind.PROMOTE_DRY_RUN: PromoteDryRun(server),
        ActKind.REVOKE_ID: RevokeId(server, clock),
        ActKind.REVOKE_ISSUER: RevokeIssuer(server, clock),
    }
