"""X509-SVID §4.4: extended key usage names both server and client authentication."""

from __future__ import annotations

from trustplane.issuance.lints.reading import Reading

_BOTH = bytes.fromhex("0603551d250416301406082b0601050507030106082b06010505070302")  # id-kp 1 and 2


def check(reading: Reading) -> str | None:
    return None if _BOTH in reading.extensions else "extended key usage is not serverAuth and clientAuth"
