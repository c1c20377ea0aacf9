"""What the server remembers about revisions, nodes and what participants hold: plain records, one table each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trustplane.spiffe.names import NodeName, ServiceName


@dataclass(frozen=True, slots=True)
class Revision:
    """One applied state of the trust repository, kept whole so that it can be restored."""

    number: int
    digest: str  # hex SHA-256 over the files
    files: Mapping[str, str] = field(repr=False)  # path inside the repository -> text
    applied_by: str
    applied_at: datetime
    restored_from: int | None = None


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A single-use right to enrol one node. Only its SHA-256 is kept."""

    token_sha256: bytes = field(repr=False)
    node: NodeName
    expires_at: datetime
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """An enrolled node. `evidence`, how it proved itself: join-token, x509pop:FINGERPRINT or expired-svid:SERIAL."""

    node: NodeName
    address: str
    evidence: str
    enrolled_at: datetime
    serial: int  # of the newest node SVID
    expires_at: datetime  # of that SVID
    banned: bool = False


@dataclass(frozen=True, slots=True)
class Hosting:
    """A sidecar attached on a node; callers reach the service there."""

    node: NodeName
    service: ServiceName
    since: datetime


@dataclass(frozen=True, slots=True, order=True)
class Holding:
    """What one participant acknowledged, against what it should hold. Digests are hex; empty means nothing yet."""

    node: NodeName
    participant: str
    thing: str
    desired: str
    held: str
    refusal: str  # the text of the last NACK, empty after an ACK
    since: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do alone what only one replica may do."""

    name: str
    holder: str
    until: datetime
