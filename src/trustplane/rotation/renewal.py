"""When to renew a leaf.

The instant is decided once, from the certificate itself: asked again it is the same, and a fleet issued in one second
spreads over the whole window. A threshold drawn anew at each check would bunch at the early edge. Whoever holds the
certificate bounds that instant by its own clock.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from trustplane.registry.model import RenewalWindow


def renew_at(issued_at: datetime, not_after: datetime, window: RenewalWindow, serial: int) -> datetime:
    """The instant inside `window` of the lifetime that this serial falls on."""
    digest = hashlib.sha256(b"renewal" + serial.to_bytes(20, "big")).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    share = window.opens + (window.closes - window.opens) * position
    return issued_at + (not_after - issued_at) * share


SOONEST = timedelta(seconds=1)


def followed(due: datetime, at: datetime, not_after: datetime) -> datetime:
    """`due` as a holder follows it, whose clock may not be the issuer's: neither without pause nor too late."""
    left = not_after - at
    soonest = at + max(left / 20, SOONEST)  # windows open at a tenth of the lifetime or later
    return max(soonest, min(due, at + left * 9 / 10))
