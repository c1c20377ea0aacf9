"""X509-SVID §2 and §3.1: one URI SAN, the SPIFFE ID that was admitted; critical, because the subject is empty."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.draft import Draft


def check(draft: Draft) -> str | None:
    admitted = draft.order.admitted
    names = draft.value(x509.SubjectAlternativeName, critical=True)
    if names is None or len(draft.certificate.subject) != 0:
        return "the subject is not empty, or the names are missing or not critical"
    wanted: list[x509.GeneralName] = [x509.UniformResourceIdentifier(str(admitted.spiffe_id))]
    wanted += [x509.DNSName(each) for each in admitted.dns_names]
    if list(names) != wanted or not admitted.spiffe_id.path:
        return f"the names are {list(names)}, not {wanted}"
    return None
