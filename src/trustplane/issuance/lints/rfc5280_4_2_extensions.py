"""RFC 5280 §4.1.2.1 and §4.2: version 3, and six extensions.

Six other lints each find theirs, byte for byte, so six in all means no other and none twice.
"""

from __future__ import annotations

from trustplane.issuance.lints.reading import Reading

_VERSION_3 = 2
_OURS = 6


def check(reading: Reading) -> str | None:
    if reading.body.version == _VERSION_3 and len(reading.extensions) == _OURS:
        return None
    return f"it has version number {reading.body.version} and {len(reading.extensions)} extensions"
