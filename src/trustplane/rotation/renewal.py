"""Following the instant at which a leaf is to be renewed.

The server names it once, when it issues (`rotation.slots`). Who holds a node's or a server's own certificate bounds it
by its own clock; the leaves of workloads have a machine, `rotation.leaf`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

SOONEST = timedelta(seconds=1)


def followed(due: datetime, at: datetime, not_after: datetime) -> datetime:
    """`due` as a holder follows it, whose clock may not be the issuer's: neither without pause nor too late."""
    left = not_after - at
    soonest = at + max(left / 20, SOONEST)  # windows open at a tenth of the lifetime or later
    return max(soonest, min(due, at + left * 9 / 10))
