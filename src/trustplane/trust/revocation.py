"""What an operator has taken back, and what follows from it for CRLs and deny rules.

By certificate: its serial number is on its issuer's CRL and its digest is denied. By SPIFFE ID: the ID is denied and
issues nothing until it is lifted, and each certificate it has is revoked too. By issuing authority: its certificate is
on its root's CRL, once it is cut off. Nothing outlives the certificate it is about, so lists stay small.

While nothing is revoked no CRL is needed and none is published; as soon as something is, every CA that a chain may
show needs one, because a verifier that has some CRLs refuses chains with a CA that has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509

from trustplane.fault import Refused
from trustplane.spiffe.ids import SpiffeId
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState

SHORTEST_CRL = timedelta(hours=1)
MAX_NOTE = 500


class Reason(Enum):
    """RFC 5280 §5.3.1, as far as an operator may mean it."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"

    @property
    def flag(self) -> x509.ReasonFlags:
        return x509.ReasonFlags[self.name.lower()]


@dataclass(frozen=True, slots=True)
class Cause:
    """Who took it back, when and why."""

    reason: Reason
    note: str
    by: str
    at: datetime

    def __post_init__(self) -> None:
        if len(self.note) > MAX_NOTE or not self.note.isprintable():
            raise Refused(
                code="bad-revocation-note",
                what=f"the note has {len(self.note)} characters",
                why=f"it is shown on one line and kept for good: at most {MAX_NOTE} printable characters",
                fix="put the long story into the incident's document and its address into the note",
            )


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    serial: int
    spiffe_id: SpiffeId
    authority: AuthorityId
    sha256: str  # hex, of the DER certificate
    not_after: datetime
    cause: Cause


@dataclass(frozen=True, slots=True)
class RevokedId:
    """Denied and not issued to until it is lifted."""

    spiffe_id: SpiffeId
    cause: Cause


@dataclass(frozen=True, slots=True)
class RevokedIssuer:
    """From `cause.at` its leaves are being replaced; from `cut_at` nothing it signed is accepted."""

    authority: AuthorityId
    cause: Cause
    cut_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a CRL."""

    serial: int
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class SignedCrl:
    """`listing` is the digest of what it lists, so that a changed list is known without reading it."""

    authority: AuthorityId
    number: int
    signed_at: datetime
    next_update: datetime
    listing: str
    der: bytes

    @property
    def refresh_at(self) -> datetime:
        """At half of its life: at any instant a CRL is valid for at least the other half."""
        return self.signed_at + (self.next_update - self.signed_at) / 2


@dataclass(frozen=True, slots=True)
class Revocations:
    """Everything in force."""

    certificates: tuple[RevokedCertificate, ...] = ()
    ids: tuple[RevokedId, ...] = ()
    issuers: tuple[RevokedIssuer, ...] = ()

    def alive(self, authorities: Iterable[Authority], at: datetime) -> Revocations:
        """Without what is about certificates and authorities that have expired by themselves."""
        living = {each.id for each in authorities if at < each.not_after}
        return Revocations(
            tuple(one for one in self.certificates if at < one.not_after),
            self.ids,
            tuple(one for one in self.issuers if one.authority in living),
        )

    def of_id(self, spiffe_id: SpiffeId) -> RevokedId | None:
        return next((one for one in self.ids if one.spiffe_id == spiffe_id), None)

    def of_issuer(self, authority: AuthorityId) -> RevokedIssuer | None:
        return next((one for one in self.issuers if one.authority == authority), None)

    def of_serial(self, serial: int) -> RevokedCertificate | None:
        return next((one for one in self.certificates if one.serial == serial), None)


def listing(authority: Authority, known: Sequence[Authority], revocations: Revocations) -> tuple[Listed, ...]:
    """What this authority's CRL says, by serial number. `revocations` are those alive."""
    by_id: Mapping[AuthorityId, Authority] = {each.id: each for each in known}
    lines = [
        Listed(one.serial, one.cause.at, one.cause.reason)
        for one in revocations.certificates
        if one.authority == authority.id
    ]
    for one in revocations.issuers:
        issuer = by_id.get(one.authority)
        if issuer and issuer.parent == authority.id and issuer.certificate and one.cut_at:
            lines.append(Listed(issuer.certificate.serial_number, one.cut_at, one.cause.reason))
    return tuple(sorted(lines, key=lambda line: line.serial))


def listing_digest(lines: Sequence[Listed]) -> str:
    text = "\n".join(f"{line.serial:x} {line.at.isoformat()} {line.reason.value}" for line in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def is_needed(authorities: Sequence[Authority], revocations: Revocations) -> bool:
    """Whether any CRL would say anything."""
    return any(listing(each, authorities, revocations) for each in signers(authorities))


def signers(authorities: Iterable[Authority]) -> tuple[Authority, ...]:
    """Every CA that a chain may show now or soon: each needs a CRL as soon as one has."""
    return tuple(
        each for each in authorities if each.kind is not AuthorityKind.JWT and each.state is not AuthorityState.RETIRED
    )


def crl_life(longest_leaf: timedelta) -> timedelta:
    """Twice the longest leaf's life, and an hour at least.

    Since a CRL is signed anew at half of its life, at any instant it is valid for as long as any leaf may still be.
    An outage of the issuer that is long enough for a CRL to grow stale has let every leaf expire before.
    """
    return max(SHORTEST_CRL, 2 * longest_leaf)


def due(
    authorities: Sequence[Authority],
    revocations: Revocations,
    crls: Mapping[AuthorityId, SignedCrl],
    life: timedelta,
    at: datetime,
) -> tuple[Authority, ...]:
    """The authorities whose CRL must be signed now."""
    if not is_needed(authorities, revocations):
        return ()
    return tuple(
        each
        for each in signers(authorities)
        if at < each.not_after and _is_due(crls.get(each.id), listing(each, authorities, revocations), life, at)
    )


def _is_due(crl: SignedCrl | None, lines: Sequence[Listed], life: timedelta, at: datetime) -> bool:
    return (
        crl is None
        or crl.listing != listing_digest(lines)
        or at >= crl.refresh_at
        # Leaves live longer than they did, or the clock was set back: this one would not outlive them.
        or at < crl.signed_at
        or crl.next_update - crl.signed_at < life
    )
