"""Admitted asks become orders: exactly the bytes an authority is to sign, handed over once.

The profile shapes the leaf and the authority bounds it: a leaf never begins before nor ends after the authority that
signs it, so nothing an authority signed outlives it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtendedKeyUsageOID

from trustplane.fault import Broken, Unavailable
from trustplane.issuance.admit import Admitted
from trustplane.issuance.tbs import EMPTY_NAME, Body, Extension, extension, name
from trustplane.trust.authority import Authority

SHORTEST_LEAF = timedelta(seconds=20)  # as for profiles: less cannot be renewed in time

_NOT_A_CA = extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
_SIGNS = extension(
    x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    ),
    critical=True,
)
_BOTH_SIDES = extension(
    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
)
_KEY_ID_BYTES = 20


class Order:
    """A leaf about to be signed by `authority`. Its bytes can be redeemed once."""

    __slots__ = ("_body", "admitted", "authority", "issued_at", "not_after", "not_before", "serial", "tbs_sha256")

    def __init__(self, admitted: Admitted, authority: Authority, body: Body, at: datetime) -> None:
        self.admitted = admitted
        self.authority = authority
        self.issued_at = at
        self.serial = body.serial
        self.not_before = body.not_before
        self.not_after = body.not_after
        der = body.der()
        self._body: bytes | None = der
        self.tbs_sha256 = hashlib.sha256(der).digest()

    def redeem(self) -> bytes:
        body, self._body = self._body, None
        if body is None:
            raise Broken(
                code="order-redeemed-twice",
                what=f"the order for {self.admitted.spiffe_id}, serial {self.serial:x}, was already signed",
                why="one order makes one certificate; two signatures over one serial would be two certificates",
                fix="report this with the audit log around that serial",
            )
        return body

    def peek(self) -> bytes:
        """The bytes, for looking at before they are redeemed."""
        if self._body is None:
            raise Broken(
                code="order-already-gone",
                what=f"the order for {self.admitted.spiffe_id}, serial {self.serial:x}, has no bytes left",
                why="lints run before signing, not after",
                fix="report this with the audit log around that serial",
            )
        return self._body

    def __repr__(self) -> str:
        return f"Order({self.admitted.spiffe_id}, serial={self.serial:x}, authority={self.authority.id})"


def key_id(spki: bytes) -> bytes:
    """A subject key identifier: the first 160 bits of SHA-256 (RFC 7093 §2, method 4), as in `AuthorityId`."""
    return hashlib.sha256(spki).digest()[:_KEY_ID_BYTES]


def shape(admitted: Admitted, authority: Authority, serial: int, at: datetime) -> Order:
    """The order for one leaf. Unavailable while the authority cannot sign one that is worth having."""
    return Order(admitted, authority, leaf_body(admitted, authority, serial, at), at)


def leaf_body(admitted: Admitted, authority: Authority, serial: int, at: datetime) -> Body:
    """What `shape` orders, as a value; rehearsals break one rule of it at a time."""
    not_before, not_after = _validity(admitted, authority, at)
    issuer, issuer_key = _issuer(authority)
    return Body(
        serial=serial,
        issuer=issuer,
        not_before=not_before,
        not_after=not_after,
        subject=EMPTY_NAME,
        spki=admitted.csr.spki,
        extensions=(
            _names(admitted),
            _NOT_A_CA,
            _SIGNS,
            _BOTH_SIDES,
            Extension(oid=x509.SubjectKeyIdentifier.oid, critical=False, value=_octets(key_id(admitted.csr.spki))),
            issuer_key,
        ),
    )


def _validity(admitted: Admitted, authority: Authority, at: datetime) -> tuple[datetime, datetime]:
    now = at.replace(microsecond=0)
    if now < authority.not_before:
        raise Unavailable(
            code="authority-not-yet-valid",
            what=f"authority {authority.id} cannot sign for {admitted.spiffe_id} at {now.isoformat()}",
            why=f"it is valid from {authority.not_before.isoformat()}: this server's clock is behind where it was",
            fix="check the clock (timedatectl, chronyc tracking) of every server that shares the database",
        )
    not_after = min(now + admitted.profile.lifetime, authority.not_after)
    if not_after - now < SHORTEST_LEAF:
        raise Unavailable(
            code="authority-ends-too-soon",
            what=f"authority {authority.id} cannot sign for {admitted.spiffe_id} at {now.isoformat()}",
            why=f"it ends at {authority.not_after.isoformat()}, less than {SHORTEST_LEAF.seconds} s from now",
            fix="trustplane server status says why no successor is active; check the server's clock too",
            retry_after=SHORTEST_LEAF,
        )
    return max(now - admitted.profile.backdate, authority.not_before), not_after


def _names(admitted: Admitted) -> Extension:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(str(admitted.spiffe_id))]
    names += [x509.DNSName(each) for each in admitted.dns_names]
    # Critical because the subject is empty (RFC 5280 §4.2.1.6, X509-SVID §3.1).
    return extension(x509.SubjectAlternativeName(names), critical=True)


def _certificate(authority: Authority) -> x509.Certificate:
    if authority.certificate is None:
        raise Broken(
            code="authority-signs-no-certificates",
            what=f"{authority.kind.value} authority {authority.id} was asked to sign a certificate",
            why="only root and issuing authorities have a certificate of their own",
            fix="report this with the audit log around that authority's creation",
        )
    return authority.certificate


@lru_cache(maxsize=16)
def _issuer(authority: Authority) -> tuple[asn1.TLV, Extension]:
    own_key_id = bytes.fromhex(authority.id.hex)[:_KEY_ID_BYTES]
    named = x509.AuthorityKeyIdentifier(own_key_id, authority_cert_issuer=None, authority_cert_serial_number=None)
    return name(_certificate(authority).subject), extension(named, critical=False)


def _octets(value: bytes) -> bytes:
    return b"\x04" + bytes((len(value),)) + value
