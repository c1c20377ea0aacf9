"""RFC 5280 §4.1.2.4 and §4.2.1.1: issuer and authority key identifier are those of the authority that signs."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.draft import Draft


def check(draft: Draft) -> str | None:
    authority = draft.order.authority
    named = draft.value(x509.AuthorityKeyIdentifier, critical=False)
    if authority.certificate is None or draft.certificate.issuer != authority.certificate.subject:
        return "the issuer is not the authority's subject"
    if named is None or named.key_identifier != bytes.fromhex(authority.id.hex)[:20]:
        return "the authority key identifier does not name the authority's key"
    return None
