"""RFC 5280 §4.1.2.1 and §4.2: version 3, and the extensions a leaf of ours has, each once, and no other."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.reading import Reading

_VERSION_3 = 2
_OURS = {
    kind.oid
    for kind in (
        x509.SubjectAlternativeName,
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
    )
}


def check(reading: Reading) -> str | None:
    if reading.body.version != _VERSION_3 or len(reading.body.extensions) != len(_OURS):
        return f"it has version {reading.body.version} and {len(reading.body.extensions)} extensions"
    return None if reading.extensions.keys() == _OURS else f"the extensions are {sorted(map(str, reading.extensions))}"
