"""X509-SVID §2 and §3.1: one URI SAN, the SPIFFE ID that was admitted; critical, because the subject is empty."""

from __future__ import annotations

from trustplane.issuance.lints.reading import CRITICAL, Reading

_OID = bytes.fromhex("0603551d11")
_SEQUENCE, _OCTETS, _URI, _DNS = 0x30, 0x04, 0x86, 0x82  # a GeneralName's [6] and [2], RFC 5280 §4.2.1.6


def check(reading: Reading) -> str | None:
    admitted = reading.order.admitted
    names = _tagged(_URI, str(admitted.spiffe_id).encode("ascii"))
    for each in admitted.dns_names:
        names += _tagged(_DNS, each.encode("ascii"))
    wanted = _OID + CRITICAL + _tagged(_OCTETS, _tagged(_SEQUENCE, names))
    if bytes(reading.body.subject.data) or not admitted.spiffe_id.path:
        return "the subject is not empty, or the SPIFFE ID has no path"
    return None if wanted in reading.extensions else f"the names are not {admitted.spiffe_id}, {admitted.dns_names}"


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
