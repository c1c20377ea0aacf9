"""What is remembered of an issued certificate or token."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import AuthorityId


class Purpose(Enum):
    WORKLOAD = "workload"
    NODE = "node"
    SERVER = "server"
    PROBE = "probe"  # shown in one handshake, to prove that its root is trusted


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """One row per signed leaf. `serial` is unique in the store. `node` asked for it (for a server: its instance)."""

    serial: int
    spiffe_id: SpiffeId
    purpose: Purpose
    node: NodeName
    profile: str  # name@version
    authority: AuthorityId
    not_before: datetime
    not_after: datetime
    renew_at: datetime
    issued_at: datetime
    leaf: bytes = field(repr=False)  # DER


@dataclass(frozen=True, slots=True)
class RenewalFigures:
    """Of leaves that have not expired, the newest of each identity and node.

    `overdue`: past the instant at which each was to be renewed. `issued`: all that were signed in the last hour.
    """

    living: int
    overdue: int
    issued: int
