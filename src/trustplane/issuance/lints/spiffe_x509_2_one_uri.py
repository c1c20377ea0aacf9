"""X509-SVID §2 and §3.1: one URI SAN, the SPIFFE ID that was admitted; critical, because the subject is empty."""

from __future__ import annotations

from cryptography import x509

from trustplane.issuance.lints.reading import Reading, content

_OID = x509.SubjectAlternativeName.oid


def check(reading: Reading) -> str | None:
    admitted = reading.order.admitted
    critical, value = reading.extensions.get(_OID, (False, b""))
    if content(reading.body.subject) or not critical:
        return "the subject is not empty, or the names are missing or not critical"
    wanted = b"".join((_name(0x86, str(admitted.spiffe_id)), *(_name(0x82, each) for each in admitted.dns_names)))
    if value != b"\x30" + _length(len(wanted)) + wanted or not admitted.spiffe_id.path:
        return f"the names are {value.hex()}, not {admitted.spiffe_id} and {admitted.dns_names}"
    return None


def _name(tag: int, text: str) -> bytes:
    """A GeneralName (RFC 5280 §4.2.1.6): [6] is a URI, [2] a DNS name."""
    octets = text.encode("ascii")
    return bytes((tag,)) + _length(len(octets)) + octets


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets
