"""X509-SVID §4.3: key usage is there, critical, and digitalSignature only."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.draft import Draft

_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def check(draft: Draft) -> str | None:
    usage = draft.value(x509.KeyUsage, critical=True)
    return None if usage == _SIGNS else f"key usage is {usage}, not critical digitalSignature alone"
