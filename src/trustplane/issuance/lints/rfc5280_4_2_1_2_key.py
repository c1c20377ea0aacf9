"""RFC 5280 §4.1.2.7 and §4.2.1.2: the key is the one whose possession was proved, and its identifier is that key's."""

from __future__ import annotations

import hashlib

from cryptography.hazmat import asn1

from trustplane.issuance.lints.reading import Reading

_OID = bytes.fromhex("0603551d0e")
_HEADER = bytes.fromhex("04160414")  # OCTET STRING of an OCTET STRING of 20


def check(reading: Reading) -> str | None:
    proved = reading.order.admitted.csr.spki
    if asn1.encode_der(reading.body.key) != proved:
        return "the key is not the one that was proved"
    # RFC 7093 §2, method 4
    if _OID + _HEADER + hashlib.sha256(proved).digest()[:20] not in reading.extensions:
        return "the subject key identifier is not that of the key"
    return None
