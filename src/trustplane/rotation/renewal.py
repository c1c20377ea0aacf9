"""Following the instant at which a leaf is to be renewed.

The server names it once, when it issues (`rotation.slots`). Whoever holds the certificate bounds it by its own clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

SOONEST = timedelta(seconds=1)


def followed(due: datetime, at: datetime, not_after: datetime) -> datetime:
    """`due` as a holder follows it, whose clock may not be the issuer's: neither without pause nor too late."""
    left = not_after - at
    soonest = at + max(left / 20, SOONEST)  # windows open at a tenth of the lifetime or later
    return max(soonest, min(due, at + left * 9 / 10))


SHORTEST_WAIT = timedelta(milliseconds=200)
LONGEST_WAIT_EMPTY = timedelta(seconds=15)


def urgent(wait: timedelta, asked: timedelta, left: timedelta) -> timedelta:
    """`wait` before the next attempt, shorter the less is left: a leaf in use is asked for eight times before it ends.

    What a server `asked` for is kept up to half of what is left, so that no leaf expires unasked while one answers.
    """
    if left <= timedelta(0):
        return max(min(wait, LONGEST_WAIT_EMPTY), asked)
    return max(min(wait, left / 8), min(asked, left / 2), SHORTEST_WAIT)
