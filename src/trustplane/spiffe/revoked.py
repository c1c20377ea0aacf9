"""What must no longer be relied on: CRLs with the CAs that signed them, SPIFFE IDs, certificates by their digest.

A `Crl` that exists was signed by the CA whose certificate it carries. `Revoked` says of any SVID whether it is
revoked; whether the CA behind a CRL is one to trust is the bundle's to say (`spiffe.verify`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trustplane.fault import Finding, Refused
from trustplane.spiffe.certificates import der_of
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.x509_svid import X509Svid

MAX_CRL_BYTES = 4 * 1024 * 1024
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension)


@dataclass(frozen=True, slots=True)
class Crl:
    """A CA's list of serial numbers, with the CA's certificate."""

    authority: x509.Certificate = field(repr=False)
    der: bytes = field(repr=False)
    number: int = field(init=False, compare=False)
    this_update: datetime = field(init=False, compare=False)
    next_update: datetime = field(init=False, compare=False)
    serials: frozenset[int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.der) > MAX_CRL_BYTES:
            raise _bad(f"a CRL of {len(self.der)} bytes was given", f"at most {MAX_CRL_BYTES} are read")
        try:
            crl = x509.load_der_x509_crl(self.der)
            number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            serials = frozenset(one.serial_number for one in crl)
            signed = _is_signed_by(crl, self.authority)
        except _UNREADABLE as error:
            raise _bad(f"{len(self.der)} bytes are not a CRL that we can read", str(error)[:300]) from error
        if not signed:
            raise _bad(f"the CRL of {self._name} is not that authority's", "its issuer or its signature is another's")
        if crl.next_update_utc is None:
            raise _bad(f"the CRL of {self._name} has no next update", "nobody could tell that it is stale (RFC 5280)")
        object.__setattr__(self, "number", number)
        object.__setattr__(self, "this_update", crl.last_update_utc)
        object.__setattr__(self, "next_update", crl.next_update_utc)
        object.__setattr__(self, "serials", serials)

    @property
    def _name(self) -> str:
        return self.authority.subject.rfc4514_string()[:200]

    def lists(self, certificate: x509.Certificate) -> bool:
        return certificate.serial_number in self.serials and certificate.issuer == self.authority.subject


@dataclass(frozen=True, slots=True)
class Revoked:
    """All of it, as one node knows it. `digests` are hex SHA-256 of DER certificates."""

    crls: tuple[Crl, ...] = ()
    ids: frozenset[SpiffeId] = frozenset()
    digests: frozenset[str] = frozenset()

    def finding(self, svid: X509Svid) -> Finding | None:
        """Why this SVID is not to be used, if so."""
        if svid.spiffe_id in self.ids:
            return _finding(svid, f"{svid.spiffe_id} is revoked", "every certificate of that ID is refused")
        if digest_of(svid.leaf) in self.digests or any(crl.lists(svid.leaf) for crl in self.crls):
            what = f"certificate {svid.serial:032x} of {svid.spiffe_id} is revoked"
            return _finding(svid, what, "the authority that signed it has revoked it")
        for signer in svid.chain[1:]:
            if any(crl.lists(signer) for crl in self.crls):
                what = f"the authority that signed certificate {svid.serial:032x} of {svid.spiffe_id} is revoked"
                return _finding(svid, what, f"it is {signer.subject.rfc4514_string()[:200]}")
        return None

    def covers(self, authorities: Collection[x509.Certificate]) -> bool:
        """Whether each has a CRL here. A verifier that is given CRLs refuses chains with a CA that has none."""
        covered = {der_of(crl.authority) for crl in self.crls}
        return all(der_of(one) in covered for one in authorities)

    def without_stale(self, at: datetime, margin: timedelta) -> Revoked:
        """Without any CRL when one of them is stale, or will be within `margin` (docs/decisions/0121)."""
        if all(crl.this_update <= at and at + margin < crl.next_update for crl in self.crls):
            return self
        return Revoked((), self.ids, self.digests)


NOTHING_REVOKED = Revoked()


def digest_of(certificate: x509.Certificate) -> str:
    """As Envoy's `sha256_peer_certificate_digest` writes it."""
    return hashlib.sha256(der_of(certificate)).hexdigest()


def _is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return (
        crl.issuer == authority.subject
        and isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
        and crl.is_signature_valid(key)
    )


def _bad(what: str, why: str) -> Refused:
    return Refused(
        code="bad-crl",
        what=what,
        why=why,
        fix="look at it with `openssl crl -text`, and at the server's log for why it was published",
    )


def _finding(svid: X509Svid, what: str, why: str) -> Finding:
    return Finding(
        code="svid-revoked",
        what=what,
        why=why,
        fix=f"trustplane explain {svid.spiffe_id} says who revoked it, when and why",
    )
