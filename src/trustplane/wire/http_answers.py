"""Our values as bodies of answers; nothing is decided here but how a value is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from trustplane.audit.log import AuditEntry
from trustplane.flows.clock_skew import Skew
from trustplane.issuance.outage_budget import FirstExpiry, OutageBudget
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.budgets import Budgets
from trustplane.registry.records import Agent, Holding, Hosting, Revision
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority
from trustplane.wire.http_shapes import (
    AgentShape,
    AuditEntryShape,
    AuthorityShape,
    CertificateShape,
    FirstExpiryShape,
    HoldingShape,
    HostingShape,
    OutageBudgetShape,
    RevisionFilesShape,
    RevisionShape,
)


def serial_text(serial: int) -> str:
    """As openssl prints it, in lower case."""
    return f"{serial:032x}"


def revision_shape(revision: Revision) -> RevisionShape:
    return RevisionShape(
        number=revision.number,
        digest=revision.digest,
        applied_by=revision.applied_by,
        applied_at=revision.applied_at,
        restored_from=revision.restored_from,
    )


def revision_files_shape(revision: Revision) -> RevisionFilesShape:
    return RevisionFilesShape(
        number=revision.number,
        digest=revision.digest,
        applied_by=revision.applied_by,
        applied_at=revision.applied_at,
        restored_from=revision.restored_from,
        files=dict(revision.files),
    )


def agent_shape(agent: Agent, connected: Mapping[NodeName, Skew | None]) -> AgentShape:
    skew = connected.get(agent.node)
    return AgentShape(
        node=agent.node.name,
        address=agent.address,
        evidence=agent.evidence,
        enrolled_at=agent.enrolled_at,
        serial=serial_text(agent.serial),
        expires_at=agent.expires_at,
        banned=agent.banned,
        connected=agent.node in connected,
        clock_skew_seconds=skew.offset.total_seconds() if skew else None,
    )


def holding_state(holding: Holding) -> str:
    if holding.refusal:
        return "refused"
    if not holding.held:
        return "nothing"
    return "held" if holding.held == holding.desired else "behind"


def holding_shape(holding: Holding) -> HoldingShape:
    return HoldingShape(
        node=holding.node.name,
        participant=holding.participant,
        thing=holding.thing,
        desired=holding.desired,
        held=holding.held,
        refusal=holding.refusal,
        state=holding_state(holding),
        since=holding.since,
    )


def hosting_shape(hosting: Hosting) -> HostingShape:
    return HostingShape(node=hosting.node.name, service=str(hosting.service), since=hosting.since)


def outage_budget_shape(budget: OutageBudget, stated: Budgets, at: datetime) -> OutageBudgetShape:
    return OutageBudgetShape(
        first=_first_expiry_shape(budget.first, at) if budget.first else None,
        services=tuple(_first_expiry_shape(one, at) for _, one in sorted(budget.services.items())),
        mttr_seconds=stated.mttr.total_seconds() if stated.mttr else None,
    )


def _first_expiry_shape(expiry: FirstExpiry, at: datetime) -> FirstExpiryShape:
    return FirstExpiryShape(
        service=str(expiry.service),
        node=expiry.node.name,
        serial=serial_text(expiry.serial),
        at=expiry.at,
        seconds=expiry.left(at).total_seconds(),
    )


def certificate_shape(certificate: IssuedCertificate) -> CertificateShape:
    return CertificateShape(
        serial=serial_text(certificate.serial),
        spiffe_id=str(certificate.spiffe_id),
        purpose=certificate.purpose.value,
        node=certificate.node.name,
        profile=certificate.profile,
        authority=certificate.authority.hex,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        renew_at=certificate.renew_at,
        issued_at=certificate.issued_at,
    )


def audit_entry_shape(entry: AuditEntry) -> AuditEntryShape:
    return AuditEntryShape(index=entry.index, body=entry.body, leaf_hash=entry.leaf_hash.hex())


def authority_shape(authority: Authority) -> AuthorityShape:
    return AuthorityShape(
        id=authority.id.hex,
        kind=authority.kind.value,
        state=authority.state.value,
        owner=authority.owner.name if authority.owner else None,
        parent=authority.parent.hex if authority.parent else None,
        not_before=authority.not_before,
        not_after=authority.not_after,
    )
