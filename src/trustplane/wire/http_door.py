"""What the server's HTTP routes need from it, as ports; a composition root satisfies them.

Everything here speaks our own values. The routes turn them into bodies (`wire.http_answers`), so no flow knows JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.audit.log import AuditEntry
from trustplane.change.plan import Plan
from trustplane.fault import Finding
from trustplane.flows.clock_skew import Skew
from trustplane.flows.issuing.revoke import Order
from trustplane.flows.records.ask_failures import AskFailures
from trustplane.flows.records.compare_failures import CompareFailures
from trustplane.flows.roots.ask_readiness import Readiness
from trustplane.flows.roots.change_root import Progress, Told
from trustplane.flows.roots.federation_uptake import Reach
from trustplane.issuance.outage_budget import OutageBudget
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.federation import Relation
from trustplane.registry.model import DesiredState
from trustplane.registry.parcels import Losses
from trustplane.registry.records import Agent, Holding, Hosting, Revision
from trustplane.rotation.root_change import Order as RotationOrder
from trustplane.rotation.root_change import RootChange, Waiver
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.trust.authority import Authority
from trustplane.trust.federation import Peer
from trustplane.trust.lifecycle import JwtTurn
from trustplane.trust.partner import Shown
from trustplane.trust.revocation import Revocations, RevokedCertificate, RevokedId, RevokedIssuer, SignedCrl
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.dry_run import DryRun
from trustplane.verdict.promotion import Conditions, Standing
from trustplane.verdict.tally import Tally
from trustplane.wire.http_people import AccountsPort
from trustplane.wire.http_proposals import ProposalsPort, Proving
from trustplane.wire.http_rollouts import RolloutsPort


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What does not change while a server runs. `database` is `sqlite` or `postgresql`, never the URL."""

    trust_domain: TrustDomain
    instance: NodeName
    version: str
    database: str
    started_at: datetime


class Fresh(Protocol):
    """A join token as it is shown once."""

    @property
    def text(self) -> str: ...

    @property
    def expires_at(self) -> datetime: ...


class StandingPort(Protocol):
    async def facts(self) -> ServerFacts: ...

    async def cannot_issue(self) -> Sequence[Finding]:
        """Every reason why an issuance asked for now would fail; empty when it would not."""
        ...

    async def to_be_mended(self) -> Sequence[Finding]:
        """What is wrong although nothing stops working for it now."""
        ...

    async def outage_budget(self) -> OutageBudget: ...

    async def authorities(self) -> Sequence[Authority]: ...

    async def bundle(self) -> Bundle: ...


class FederationPort(Protocol):
    async def published_bundle(self) -> Bundle:
        """As other trust domains fetch it."""
        ...

    async def published_before_use(self) -> timedelta:
        """How long a new key must have been published before it is used (FE-1)."""
        ...

    async def federation(self) -> Sequence[tuple[Peer, Relation | None, Sequence[Reach]]]:
        """Every trust domain that is or was federated with; without a relation it is ended."""
        ...

    async def refresh_peer(self, name: TrustDomain) -> None:
        """Ask its endpoint now, for its bundle and for its statement. Refused as `no-relation`."""
        ...

    async def forget_peer(self, name: TrustDomain, by: str) -> None: ...

    async def statement(self, about: TrustDomain) -> bytes:
        """Signed: who here holds its bundle. Refused as `nothing-stated` without a relation."""
        ...

    async def next_jwt_key(self) -> JwtTurn | None:
        """When this server's next JWT key is made and when it signs."""
        ...

    async def shown(self) -> Sequence[Shown]:
        """What other trust domains have shown of their uptake of ours."""
        ...


class RepositoryPort(Protocol):
    async def current(self) -> tuple[Revision, DesiredState] | None: ...

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]:
        """The newest first; of those with a number below `before`."""
        ...

    async def revision(self, number: int) -> Revision:
        """Refused as `unknown-revision`."""
        ...

    async def plan(self, files: Mapping[str, bytes]) -> Plan: ...

    async def apply(self, files: Mapping[str, bytes], by: str) -> tuple[Revision, Plan]:
        """Files equal to the current revision's answer with that revision and an empty plan."""
        ...

    async def restore(self, number: int, by: str) -> tuple[Revision, Plan]: ...


class ApprovalsPort(Protocol):
    def proposals(self) -> ProposalsPort:
        """Acts that one person proposes and another approves."""
        ...

    def proving(self) -> Proving:
        """That someone is whose account they name."""
        ...


class DryRunPort(ApprovalsPort, Protocol):
    async def dry_run(self) -> Standing:
        """The newest. Refused as `dry-run-none`."""
        ...

    async def start_dry_run(self, files: Mapping[str, bytes], by: str, lasting: timedelta) -> Standing: ...

    async def stop_dry_run(self, by: str) -> Standing: ...

    async def check_promotion(self, conditions: Conditions) -> Standing:
        """Refused with every reason against it."""
        ...

    async def promote_dry_run(self, by: str, conditions: Conditions) -> tuple[DryRun, Revision, Plan]: ...


class NodesPort(Protocol):
    async def create_token(self, node: NodeName, life: timedelta, by: str) -> Fresh: ...

    async def agents(self) -> Sequence[Agent]: ...

    async def connected(self) -> Mapping[NodeName, Skew | None]:
        """To whichever server; with the clock's difference, if the node's agent measured it here."""
        ...

    async def ban_agent(self, node: NodeName, by: str) -> Agent:
        """Refused as `agent-unknown`. Its stream is cut."""
        ...

    async def holdings(self) -> Sequence[Holding]:
        """All of them."""
        ...

    async def hostings(self) -> Sequence[Hosting]: ...


class IssuedPort(Protocol):
    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]:
        """The newest first."""
        ...

    async def certificate(self, serial: int) -> IssuedCertificate | None: ...


class RevocationPort(ApprovalsPort, Protocol):
    async def revocations(self) -> tuple[Revocations, Sequence[SignedCrl]]:
        """In force, and the CRLs that are published."""
        ...

    async def revoke_certificate(self, serial: int, order: Order) -> RevokedCertificate: ...

    async def revoke_id(self, spiffe_id: SpiffeId, order: Order) -> tuple[RevokedId, int]:
        """With how many certificates it had."""
        ...

    async def revoke_issuer(self, authority: str, order: Order, *, compromised: bool) -> RevokedIssuer: ...

    async def lift_id(self, spiffe_id: SpiffeId, by: str) -> None:
        """Refused as `id-not-revoked`."""
        ...


class RotationPort(ApprovalsPort, Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def published_bundle(self) -> Bundle: ...

    async def rotation(self) -> Progress:
        """The newest change of root and everything proven now, whether or not one is under way."""
        ...

    async def rotation_plan(self, order: RotationOrder) -> Told:
        """What would happen from now on, told by the machine itself."""
        ...

    async def rotation_readiness(self) -> Readiness:
        """Whom a change of root would wait for if it began now. Nothing is changed."""
        ...

    async def rotations(self, limit: int) -> Sequence[RootChange]:
        """The newest first."""
        ...

    async def start_rotation(self, order: RotationOrder) -> RootChange: ...

    async def pause_rotation(self, by: str) -> RootChange: ...

    async def resume_rotation(self, by: str) -> RootChange: ...

    async def abort_rotation(self, by: str) -> RootChange: ...

    async def waive_participant(self, waiver: Waiver) -> RootChange: ...


class TrafficPort(Protocol):
    async def current(self) -> tuple[Revision, DesiredState] | None: ...

    async def decisions(
        self, since: datetime, callee: ServiceName | None, candidate: str | None, limit: int
    ) -> Sequence[tuple[DecisionKind, Tally]]:
        """What proxies decided since the beginning of that hour, those with most requests first."""
        ...

    async def decision_losses(self, since: datetime) -> Mapping[NodeName, Losses]: ...


class HandshakesPort(Protocol):
    def handshakes(self) -> AskFailures:
        """Failed handshakes that nodes told of."""
        ...


class AuditPort(Protocol):
    async def audit_head(self) -> tuple[int, tuple[bytes, ...]]:
        """How many entries there are, and the hashes of the frontier that the log itself goes by."""
        ...

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]:
        """From index `start` on, as they are kept."""
        ...

    async def audit_checkpoint(self) -> str:
        """The newest signed note."""
        ...

    async def audit_checkpoints(self, limit: int) -> Sequence[str]:
        """Signed notes kept, the newest first."""
        ...

    def audit_key(self) -> str:
        """The verifier key, as C2SP signed notes write it."""
        ...


class PeoplePort(Protocol):
    def people(self) -> AccountsPort:
        """Accounts of the console."""
        ...


class ChangesPort(Protocol):
    def rollouts(self) -> RolloutsPort:
        """As deploy systems tell of them, and who may."""
        ...

    def comparing(self) -> CompareFailures:
        """What failures have in common, and after which change they began."""
        ...


class ServerDoor(
    StandingPort,
    FederationPort,
    RepositoryPort,
    DryRunPort,
    NodesPort,
    IssuedPort,
    RevocationPort,
    RotationPort,
    TrafficPort,
    HandshakesPort,
    AuditPort,
    PeoplePort,
    ChangesPort,
    Protocol,
):
    """All of them: what `main.server` builds."""
