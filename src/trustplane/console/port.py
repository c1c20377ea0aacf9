"""What the console needs of a server, as ports in our own values. What changes anything is in `ActPort`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from trustplane.console.acts import ActPort
from trustplane.console.proof import LogPort
from trustplane.fault import Finding
from trustplane.flows.approvals.keep_proposals import KeepProposals
from trustplane.flows.clock_skew import Skew
from trustplane.flows.records.ask_failures import AskFailures
from trustplane.flows.records.compare_failures import CompareFailures
from trustplane.flows.roots.change_root import Progress
from trustplane.issuance.outage_budget import OutageBudget
from trustplane.issuance.record import IssuedCertificate, RenewalFigures
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Agent, Holding, Hosting, Revision
from trustplane.registry.uptake import Uptake
from trustplane.rotation.root_change import RootChange
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority
from trustplane.trust.revocation import Revocations, SignedCrl


class Facts(Protocol):
    @property
    def trust_domain(self) -> TrustDomain: ...

    @property
    def instance(self) -> NodeName: ...

    @property
    def version(self) -> str: ...

    @property
    def database(self) -> str: ...

    @property
    def started_at(self) -> datetime: ...


class StandingPort(Protocol):
    async def facts(self) -> Facts: ...

    async def cannot_issue(self) -> Sequence[Finding]: ...

    async def to_be_mended(self) -> Sequence[Finding]: ...

    async def outage_budget(self) -> OutageBudget: ...

    async def renewals(self) -> RenewalFigures: ...

    async def current(self) -> tuple[Revision, DesiredState] | None: ...

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]: ...

    async def agents(self) -> Sequence[Agent]: ...

    async def connected(self) -> Mapping[NodeName, Skew | None]: ...

    async def uptake(self) -> Uptake: ...

    async def holdings_about(self, participant: str, thing: str, limit: int) -> Sequence[Holding]:
        """What one participant holds and who holds one thing; what differs comes first."""
        ...

    async def hostings(self) -> Sequence[Hosting]: ...


class TrustPort(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def published_bundle(self) -> Bundle: ...

    async def rotation(self) -> Progress: ...

    async def rotations(self, limit: int) -> Sequence[RootChange]: ...


class IssuedPort(Protocol):
    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]: ...

    async def certificate(self, serial: int) -> IssuedCertificate | None: ...

    async def revocations(self) -> tuple[Revocations, Sequence[SignedCrl]]: ...


class HandshakesPort(Protocol):
    def handshakes(self) -> AskFailures: ...

    def comparing(self) -> CompareFailures: ...


class ApprovalsPort(Protocol):
    def proposals(self) -> KeepProposals: ...


class Server(StandingPort, TrustPort, IssuedPort, HandshakesPort, LogPort, ActPort, ApprovalsPort, Protocol):
    """All of them: what `main.server` builds."""
