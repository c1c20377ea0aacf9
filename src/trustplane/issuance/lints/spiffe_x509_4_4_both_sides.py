"""X509-SVID §4.4: extended key usage names both server and client authentication."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from trustplane.issuance.lints.draft import Draft

_BOTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def check(draft: Draft) -> str | None:
    usage = draft.value(x509.ExtendedKeyUsage, critical=False)
    return None if usage == _BOTH else f"extended key usage is {usage}, not serverAuth and clientAuth"
