"""RFC 5280 §4.2: the extensions a leaf of ours has, and no other."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.draft import Draft

_OURS = frozenset(
    kind.oid
    for kind in (
        x509.SubjectAlternativeName,
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
    )
)


def check(draft: Draft) -> str | None:
    return None if draft.extensions.keys() == _OURS else f"the extensions are {sorted(map(str, draft.extensions))}"
