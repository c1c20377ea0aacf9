"""X509-SVID §4.1: a leaf is no certificate authority, and says so."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.draft import Draft


def check(draft: Draft) -> str | None:
    constraints = draft.value(x509.BasicConstraints, critical=True)
    if constraints is not None and not constraints.ca and constraints.path_length is None:
        return None
    return "basic constraints are missing, not critical, or those of an authority"
