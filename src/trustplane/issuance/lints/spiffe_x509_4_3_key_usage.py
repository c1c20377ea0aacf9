"""X509-SVID §4.3: key usage is there, critical, and digitalSignature only."""

from __future__ import annotations

from trustplane.issuance.lints.reading import CRITICAL, Reading

_SIGNS = bytes.fromhex("0603551d0f") + CRITICAL + bytes.fromhex("040403020780")  # BIT STRING, bit 0


def check(reading: Reading) -> str | None:
    return None if _SIGNS in reading.extensions else "key usage is not critical with digitalSignature alone"
