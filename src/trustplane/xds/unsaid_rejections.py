"""A proxy that counts an update as rejected and never said so to us.

Whoever rejects an update says so over xDS, and what is held is known from that. A proxy's own counters can say
otherwise: an update of something that we serve was rejected, no refusal came, and the acknowledgement stands. Then the
acknowledgement is in doubt until that subscription has taken up something later.

A refusal may be on its way while the counters are read, so only what a second look finds unsaid counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trustplane.xds.conversation import Held

UPDATES = "proxy/updates"
AS_ACKNOWLEDGED = "as acknowledged"
_SECRETS = "sds."
_ROUTES = ".rds."
_WHOLE = frozenset({"listener_manager.lds", "cluster_manager.cds"})


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a proxy counts of one, since it began: updates rejected, and updates taken up."""

    name: str
    rejected: int
    taken_up: int


class UnsaidRejections:
    """Of one proxy, from look to look."""

    def __init__(self) -> None:
        self._before: dict[str, Subscription] | None = None
        self._suspects: set[str] = set()
        self._unsaid: set[str] = set()
        self._has_refused = False

    @property
    def is_suspicious(self) -> bool:
        """Whether another look would tell."""
        return bool(self._suspects)

    def refused(self) -> None:
        """It said of something that it does not take it up."""
        self._has_refused = True

    def look(self, counted: Iterable[Subscription], things: Iterable[str]) -> None:
        """`things` are what it is known to hold or should; what others serve it is not ours to judge."""
        known = frozenset(map(_as_counted, things))
        found = {one.name: one for one in counted if _is_ours(one.name, known)}
        # What it counted before we began to look may have been said before we listened.
        before = found if self._before is None else self._before
        rejecting = {one.name for one in found.values() if one.rejected > _of(before, one.name).rejected}
        took = {one.name for one in found.values() if one.taken_up > _of(before, one.name).taken_up}
        if self._has_refused:
            rejecting, self._suspects = set(), set()
        self._unsaid = ((self._unsaid - took) | self._suspects) & found.keys()
        self._suspects = rejecting
        self._before, self._has_refused = found, False

    def held(self) -> Held:
        return Held(UPDATES, AS_ACKNOWLEDGED, "" if self._unsaid else AS_ACKNOWLEDGED, self._why())

    def _why(self) -> str:
        if not self._unsaid:
            return ""
        first, more = min(self._unsaid), len(self._unsaid) - 1
        others = f" and {more} more" if more else ""
        return f"it counts an update of {first}{others} as rejected ({first}.update_rejected), and acknowledged all"


def _of(before: dict[str, Subscription], name: str) -> Subscription:
    return before.get(name) or Subscription(name, 0, 0)


def _is_ours(name: str, known: frozenset[str]) -> bool:
    if name in _WHOLE:
        return True
    if name.startswith(_SECRETS):
        return f"secret/{name.removeprefix(_SECRETS)}" in known
    _, is_route, route = name.partition(_ROUTES)
    return bool(is_route) and f"route/{route}" in known


def _as_counted(thing: str) -> str:
    """Envoy writes names without colons in its statistics."""
    return thing.replace("://", "_").replace(":/", "_").replace(":", "_")
