"""Sign, then look: what came back is the certificate that was ordered.

Every certificate is read back and holds the very bytes that were ordered. One of each batch is looked at whole: its
signature verifies under the authority's key and it is an X509-SVID. Verifying each would cost half as much again as
issuing does, and the agent verifies every certificate before it uses it (decisions/0022).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from trustplane.fault import Broken, Refused
from trustplane.issuance.shape import Order
from trustplane.issuance.tbs import assemble
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.trust.authority import Authority

_HEADER_BYTES = 4  # tag and length of a SEQUENCE of 256 to 65535 bytes, which every certificate of ours is


def confirm(order: Order, body: bytes, signature: bytes) -> bytes:
    """The DER certificate, seen to hold the body that was signed and the signature over it."""
    der = assemble(body, signature)
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise _broken(order, f"it cannot be read: {error}") from error
    held = der[_HEADER_BYTES:].startswith(body) and hashlib.sha256(body).digest() == order.tbs_sha256
    if not held or certificate.serial_number != order.serial or certificate.signature != signature:
        raise _broken(order, "it does not hold the bytes that were ordered")
    return der


def confirm_whole(order: Order, der: bytes) -> X509Svid:
    """The SVID, its signature verified under the key of the authority that was to sign it."""
    certificate = x509.load_der_x509_certificate(der)
    issuer = order.authority.certificate
    try:
        if issuer is None or issuer.public_key() != order.authority.public_key:
            raise _broken(order, "the authority's certificate is not of the authority's key")
        certificate.verify_directly_issued_by(issuer)
        return X509Svid((certificate, issuer))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise _broken(order, "its signature does not verify under the authority's key") from error
    except Refused as refused:
        raise _broken(order, f"it is no X509-SVID: {refused}") from refused


def confirm_authority(body: bytes, signature: bytes, issuer: x509.Certificate | None) -> x509.Certificate:
    """The certificate of a new authority, vouched for by its issuer (none: by itself)."""
    certificate = x509.load_der_x509_certificate(assemble(body, signature))
    try:
        certificate.verify_directly_issued_by(issuer or certificate)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Broken(
            code="authority-not-confirmed",
            what=f"the certificate just made for {certificate.subject.rfc4514_string()} is not used",
            why="its signature does not verify under the key that made it",
            fix="see whether the machine's memory is sound, then start again; nothing was published",
        ) from error
    return certificate


def chain_of(order: Order, der: bytes) -> tuple[bytes, ...]:
    """The leaf and the issuing authority, as a peer needs them."""
    return (der, *_der_of(order.authority))


@lru_cache(maxsize=16)
def _der_of(authority: Authority) -> tuple[bytes, ...]:
    return () if authority.certificate is None else (authority.certificate.public_bytes(Encoding.DER),)


def _broken(order: Order, why: str) -> Broken:
    return Broken(
        code="confirm-failed",
        what=f"the certificate just signed for {order.admitted.spiffe_id}, serial {order.serial:x}, is not used",
        why=why,
        fix="stop issuing with this authority until its key and memory are known to be sound, and report this",
    )
