"""X509-SVID §4.1: a leaf is no certificate authority, and says so: critical basic constraints, cA left at false."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.reading import Reading

_OID = x509.BasicConstraints.oid
_NOT_A_CA = (True, bytes.fromhex("3000"))


def check(reading: Reading) -> str | None:
    found = reading.extensions.get(_OID)
    return None if found == _NOT_A_CA else f"basic constraints are {found}"
