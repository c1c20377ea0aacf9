"""What participants hold, in pages.

Rows stand in the order of their keys, which nothing changes: whoever goes from page to page meets every participant
that is there all the while, however much it takes up meanwhile. A page says how many rows are left and how to go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

from trustplane.fault import Refused
from trustplane.registry.records import Holding
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_answers import holding_shape, holding_state

MAX_CURSOR_CHARACTERS = 8192


def page(found: Iterable[Holding], after: str, limit: int, *, differing: bool) -> shapes.HoldingsShape:
    """Of those that come after the row that `after` names; `differing`: of those that do not hold what they should."""
    key = _key_in(after) if after else ("", "", "")
    rest = sorted(
        (one for one in found if _key(one) > key and not (differing and holding_state(one) == "held")), key=_key
    )
    shown = rest[:limit]
    left_off = len(rest) - len(shown)
    return shapes.HoldingsShape(
        holdings=tuple(map(holding_shape, shown)),
        left_off=left_off,
        next=cursor(shown[-1]) if left_off else None,
    )


def cursor(one: Holding) -> str:
    return "/".join(quote(part, safe="") for part in _key(one))


def _key(one: Holding) -> tuple[str, str, str]:
    return one.node.name, one.participant, one.thing


def _key_in(after: str) -> tuple[str, str, str]:
    parts = tuple(map(unquote, after.split("/")))
    if len(parts) != 3:
        raise Refused(
            code="bad-query",
            what=f"after={after!r:.60} is not a place in this list",
            why="a page begins where the one before it ended",
            fix="give back `next` of the page before as it is, or leave `after` out to begin",
        )
    return parts[0], parts[1], parts[2]
