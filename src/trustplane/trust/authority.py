"""Authorities: signing keys with a state.

A staged authority is known to nobody yet; a prepared one is in the bundle and signs nothing; an active one signs; a
draining one signs no more but what it signed may still be valid; a tainted one must no longer be relied on; a retired
one has left the bundle. The key itself is elsewhere (`keys.authority`); this is what may be known of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trustplane.fault import Broken
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName

_KEY_ID_DIGITS = 40


class AuthorityKind(Enum):
    ROOT = "root"
    ISSUING = "issuing"
    JWT = "jwt"


class AuthorityState(Enum):
    STAGED = "staged"
    PREPARED = "prepared"
    ACTIVE = "active"
    DRAINING = "draining"
    TAINTED = "tainted"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, order=True)
class AuthorityId:
    """Hex SHA-256 of the SubjectPublicKeyInfo; it begins with the certificate's subject key identifier."""

    hex: str

    @property
    def key_id(self) -> str:
        """Its key as certificates name it: the subject key identifier, hex."""
        return self.hex[:_KEY_ID_DIGITS]

    def __str__(self) -> str:
        return self.hex[:12]


@dataclass(frozen=True, slots=True)
class Authority:
    """`owner` is the server instance an issuing authority belongs to; root and JWT authorities may be shared (None)."""

    id: AuthorityId
    kind: AuthorityKind
    state: AuthorityState
    trust_domain: TrustDomain
    owner: NodeName | None
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    certificate: x509.Certificate | None  # none for JWT authorities
    parent: AuthorityId | None  # the root that signed an issuing authority
    not_before: datetime
    not_after: datetime
    state_since: datetime | None = field(default=None, compare=False)  # none: in the state it was made in

    def __hash__(self) -> int:
        return hash(self.id)  # of all fields it would cost more than what is cached by it

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.kind is AuthorityKind.JWT):
            raise Broken(
                code="authority-without-certificate",
                what=f"{self.kind.value} authority {self.id}: certificate is {self.certificate}",
                why="root and issuing authorities have one, JWT authorities have none",
                fix="report this with the audit log around the authority's creation",
            )
