"""X509-SVID §4.3: key usage is there, critical, and digitalSignature only."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.reading import Reading

_OID = x509.KeyUsage.oid
_SIGNS = (True, bytes.fromhex("03020780"))  # BIT STRING, bit 0


def check(reading: Reading) -> str | None:
    found = reading.extensions.get(_OID)
    return None if found == _SIGNS else f"key usage is {found}"
