"""RFC 5280 §4.1.2.7 and §4.2.1.2: the key is the one whose possession was proved, and its identifier is that key's."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.draft import Draft
from trustplane.issuance.shape import key_id


def check(draft: Draft) -> str | None:
    proved = draft.order.admitted.csr.spki
    named = draft.value(x509.SubjectKeyIdentifier, critical=False)
    if named is None or named.digest != key_id(proved):
        return "the subject key identifier is not that of the key"
    # Searched for, not parsed: a parsed key costs more than all lints, and no other field can hold these bytes whole.
    return None if proved in draft.certificate.tbs_certificate_bytes else "the key is not the one that was proved"
