"""RFC 5280 §4.1.2.4 and §4.2.1.1: issuer and authority key identifier are those of the authority that signs."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat import asn1

from trustplane.issuance.lints.reading import Reading
from trustplane.trust.authority import Authority

_OID = bytes.fromhex("0603551d23")
_HEADER = bytes.fromhex("041830168014")  # OCTET STRING, SEQUENCE, keyIdentifier [0] of 20 octets


def check(reading: Reading) -> str | None:
    subject, key_identifier = _expected(reading.order.authority)
    if key_identifier not in reading.extensions:
        return "the authority key identifier does not name the authority's key"
    return None if asn1.encode_der(reading.body.issuer) == subject else "the issuer is not the authority's subject"


@lru_cache(maxsize=16)
def _expected(authority: Authority) -> tuple[bytes | None, bytes]:
    subject = authority.certificate.subject.public_bytes() if authority.certificate else None
    return subject, _OID + _HEADER + bytes.fromhex(authority.id.hex)[:20]
