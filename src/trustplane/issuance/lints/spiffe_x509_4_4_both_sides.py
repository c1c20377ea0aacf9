"""X509-SVID §4.4: extended key usage names both server and client authentication."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.reading import Reading

_OID = x509.ExtendedKeyUsage.oid
_BOTH = (False, bytes.fromhex("301406082b0601050507030106082b06010505070302"))  # id-kp 1 and 2


def check(reading: Reading) -> str | None:
    found = reading.extensions.get(_OID)
    return None if found == _BOTH else f"extended key usage is {found}"
