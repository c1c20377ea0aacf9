"""When to renew a leaf.

The instant is decided once, from the certificate itself: asked again it is the same, and a fleet issued in one second
spreads over the whole window. A threshold drawn anew at each check would bunch at the early edge.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from trustplane.registry.model import RenewalWindow


def renew_at(issued_at: datetime, not_after: datetime, window: RenewalWindow, serial: int) -> datetime:
    """The instant inside `window` of the lifetime that this serial falls on."""
    digest = hashlib.sha256(b"renewal" + serial.to_bytes(20, "big")).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    share = window.opens + (window.closes - window.opens) * position
    return issued_at + (not_after - issued_at) * share
