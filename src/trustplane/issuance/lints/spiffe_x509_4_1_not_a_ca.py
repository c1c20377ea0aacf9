"""X509-SVID §4.1: a leaf is no certificate authority, and says so: critical basic constraints, cA left at false."""

from __future__ import annotations

from trustplane.issuance.lints.reading import CRITICAL, Reading

_NOT_A_CA = bytes.fromhex("0603551d13") + CRITICAL + bytes.fromhex("04023000")


def check(reading: Reading) -> str | None:
    return None if _NOT_A_CA in reading.extensions else "basic constraints are not critical with cA false"
