"""The bodies of HTTP requests and answers, one struct each, shared by server, agent and command line.

Instants are RFC 3339 in UTC, durations are seconds, serial numbers and digests are lower-case hexadecimal. Fields are
only ever added; unknown fields in a request are refused.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Asked of us: an unknown field is a mistake to name."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Given by us: a reader ignores fields that a newer server adds."""


class NewestShape(Answer, frozen=True, kw_only=True):
    """The newest first. `more`: there are older ones than these."""

    more: bool = False


class FindingShape(Answer, frozen=True, kw_only=True, omit_defaults=True):
    code: str
    what: str
    why: str
    fix: str
    place: str | None = None  # file:line:column


class ErrorShape(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Every failure of every route. `findings` carries all that is wrong when there is more than one thing."""

    code: str
    what: str
    why: str
    fix: str
    place: str | None = None
    findings: tuple[FindingShape, ...] = ()
    reference: str | None = None  # of a fault of ours; the server's log has the same
    retry_after_seconds: float | None = None


class HealthShape(Answer, frozen=True, kw_only=True):
    ok: bool
    reasons: tuple[FindingShape, ...]


class AuthorityShape(Answer, frozen=True, kw_only=True):
    id: str
    kind: str
    state: str
    owner: str | None
    parent: str | None
    not_before: datetime
    not_after: datetime


class RevisionShape(Answer, frozen=True, kw_only=True):
    number: int
    digest: str
    applied_by: str
    applied_at: datetime
    restored_from: int | None


class RevisionFilesShape(RevisionShape, frozen=True, kw_only=True):
    files: dict[str, str]


class RevisionsShape(NewestShape, frozen=True, kw_only=True):
    revisions: tuple[RevisionShape, ...]


class AgentShape(Answer, frozen=True, kw_only=True):
    node: str
    address: str
    evidence: str
    enrolled_at: datetime
    serial: str
    expires_at: datetime
    banned: bool
    connected: bool
    clock_skew_seconds: float | None = None  # the server's clock less the node's, as its agent measured it


class AgentsShape(Answer, frozen=True, kw_only=True):
    agents: tuple[AgentShape, ...]


class HoldingShape(Answer, frozen=True, kw_only=True):
    """`state` is held, behind (acknowledged something older), refused (NACK) or nothing."""

    node: str
    participant: str
    thing: str
    desired: str
    held: str
    refusal: str
    state: str
    since: datetime


class HoldingsShape(Answer, frozen=True, kw_only=True):
    """`left_off` come after these; give `next` as `after` to have them. `next` is null on the last page."""

    holdings: tuple[HoldingShape, ...]
    left_off: int = 0
    next: str | None = None


class HostingShape(Answer, frozen=True, kw_only=True):
    node: str
    service: str
    since: datetime


class FirstExpiryShape(Answer, frozen=True, kw_only=True):
    """The leaf that runs out first if nothing is issued any more. `seconds` are left now, never below 0."""

    service: str
    node: str
    serial: str
    at: datetime
    seconds: float


class OutageBudgetShape(Answer, frozen=True, kw_only=True):
    """`first` is the overall figure; none: no service has a leaf. `services` has it for each that has, by name."""

    first: FirstExpiryShape | None
    services: tuple[FirstExpiryShape, ...]
    mttr_seconds: float | None  # what the trust repository asks for


class ServerStatusShape(Answer, frozen=True, kw_only=True):
    trust_domain: str
    instance: str
    version: str
    database: str
    started_at: datetime
    now: datetime
    can_issue: bool
    reasons: tuple[FindingShape, ...]
    revision: RevisionShape | None
    services: int
    bundle_digest: str
    bundle_sequence: int | None
    authorities: tuple[AuthorityShape, ...]
    agents: tuple[AgentShape, ...]
    sidecars: tuple[HostingShape, ...]
    not_held: tuple[HoldingShape, ...]
    not_held_left_off: int = 0  # of those that do not hold what they should, how many are not told of here
    outage_budget: OutageBudgetShape | None = None
    findings: tuple[FindingShape, ...] = ()  # to be mended, though nothing stops working for it now


class FieldChangeShape(Answer, frozen=True, kw_only=True):
    """Texts as a file would say them; empty where the field is not there."""

    field: str
    old: str
    new: str


class EffectShape(Answer, frozen=True, kw_only=True):
    text: str
    dangerous: bool


class PlanItemShape(Answer, frozen=True, kw_only=True):
    """`move` is added, changed or removed."""

    kind: str
    name: str
    move: str
    dangerous: bool
    fields: tuple[FieldChangeShape, ...]
    effects: tuple[EffectShape, ...]


class PlanShape(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """`against` is the revision compared with; none: nothing is applied yet, or no server was asked."""

    against: int | None
    unchanged: bool
    dangerous: bool
    items: tuple[PlanItemShape, ...]
    notes: tuple[str, ...] = ()


class RepositoryRequest(Request, frozen=True, kw_only=True):
    """A trust repository as it lies on disk: path inside it -> text."""

    files: dict[str, str]


class AppliedShape(Answer, frozen=True, kw_only=True):
    revision: RevisionShape
    plan: PlanShape


class TokenRequest(Request, frozen=True, kw_only=True):
    node: str
    ttl_seconds: float = 3600.0


class TokenShape(Answer, frozen=True, kw_only=True):
    """The only time the token is shown; the server keeps its hash."""

    node: str
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"TokenShape(node={self.node!r}, expires_at={self.expires_at!r})"


class CertificateShape(Answer, frozen=True, kw_only=True):
    serial: str
    spiffe_id: str
    purpose: str
    node: str
    profile: str
    authority: str
    not_before: datetime
    not_after: datetime
    renew_at: datetime
    issued_at: datetime


class CertificatesShape(NewestShape, frozen=True, kw_only=True):
    certificates: tuple[CertificateShape, ...]


class LifetimeShape(Answer, frozen=True, kw_only=True):
    """Why a leaf lives as long as it does."""

    seconds: float
    profile_seconds: float
    cut_by_authority: bool
    why: str


class RevocationShape(Answer, frozen=True, kw_only=True):
    """`kind` is certificate, id or issuer; `subject` its serial number, SPIFFE ID or authority.

    Fields that do not apply are null. `cut_at` is null while an issuer's leaves are being replaced.
    """

    kind: str
    subject: str
    reason: str
    note: str
    by: str
    at: datetime
    spiffe_id: str | None = None
    not_after: datetime | None = None
    cut_at: datetime | None = None
    certificates: int | None = None  # that an ID had when it was revoked


class ExplanationShape(Answer, frozen=True, kw_only=True):
    """All that is known of one identity or one certificate; `why` tells it in sentences."""

    spiffe_id: str
    service: str | None
    owners: tuple[str, ...]
    declared: bool
    selectors: tuple[str, ...]
    nodes: tuple[str, ...]  # empty: any
    profile: str | None
    key: str | None
    callers: tuple[str, ...]
    calls: tuple[str, ...]
    data: tuple[str, ...]
    certificate: CertificateShape | None  # the one asked for, or the newest
    issuer: AuthorityShape | None
    lifetime: LifetimeShape | None
    recent: tuple[CertificateShape, ...]
    hosted_on: tuple[str, ...]
    held_by: tuple[HoldingShape, ...]
    held_by_left_off: int = 0
    why: tuple[str, ...]
    revoked: tuple[RevocationShape, ...] = ()  # of the ID, the certificate and its issuer
    other_domain: str | None = None  # the trust domain of an ID that is not of ours


class CrlShape(Answer, frozen=True, kw_only=True):
    authority: str
    number: int
    signed_at: datetime
    refresh_at: datetime
    next_update: datetime
    bytes: int


class RevocationsShape(Answer, frozen=True, kw_only=True):
    revocations: tuple[RevocationShape, ...]
    crls: tuple[CrlShape, ...]  # empty while nothing is revoked


class AuditEntryShape(Answer, frozen=True, kw_only=True):
    """`body` is the exact entry, base64; `leaf_hash` is what the log keeps for it, to be computed again."""

    index: int
    body: bytes
    leaf_hash: str


class AuditEntriesShape(Answer, frozen=True, kw_only=True):
    entries: tuple[AuditEntryShape, ...]


class AuditHeadShape(Answer, frozen=True, kw_only=True):
    """What the log says of itself. `key` verifies its checkpoints and is best kept from an earlier day."""

    size: int
    frontier: tuple[str, ...]
    key: str


class CheckpointShape(Answer, frozen=True, kw_only=True):
    """`note` is the signed checkpoint; `key` verifies it and is best kept from an earlier day."""

    note: str
    key: str


class CheckpointsShape(NewestShape, frozen=True, kw_only=True):
    notes: tuple[str, ...]


class AgentEntryShape(Answer, frozen=True, kw_only=True):
    spiffe_id: str
    service: str
    profile: str
    serial: str | None
    not_after: datetime | None
    renew_at: datetime | None
    renewals: int
    last_error: str | None


class AgentSidecarShape(Answer, frozen=True, kw_only=True):
    service: str
    attached_at: datetime
    serving: bool  # every resource acknowledged
    refusal: str | None
    connections_of_before: int | None = None  # made before trust changed, and open; null: nobody counts them


class AgentStatusShape(Answer, frozen=True, kw_only=True):
    node: str
    trust_domain: str
    version: str
    now: datetime
    started_at: datetime
    server: str | None  # the address connected to
    server_state: str
    server_error: str | None
    disconnected_since: datetime | None
    node_serial: str | None
    node_expires_at: datetime | None
    revision: int | None
    view_digest: str | None
    entries: tuple[AgentEntryShape, ...]
    sidecars: tuple[AgentSidecarShape, ...]
    workloads: int  # open Workload API streams
    workload_socket: str
    xds_socket: str
    healthy: bool = True
    reasons: tuple[FindingShape, ...] = ()  # why it is not, and what costs nothing yet
    clock_skew_seconds: float | None = None  # the server's clock less ours
    clock_skew_error_seconds: float | None = None
    survives_restart: bool = False  # all that is served is in the sealed cache


class AgentHostingShape(Answer, frozen=True, kw_only=True):
    sidecars: tuple[AgentSidecarShape, ...]
