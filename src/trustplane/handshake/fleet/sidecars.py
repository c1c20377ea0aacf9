"""The sidecars of our mesh, and what each of them was while something failed.

A sidecar that had no part in a failure counts for all it was while others failed: then what changed meanwhile, by
itself and everywhere, explains nothing. An agent sees a change a little late, so around one both count.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from trustplane.handshake.fleet.subject import Rollout
from trustplane.handshake.setup import Setup, StoredSetup
from trustplane.spiffe.names import NodeName, ServiceName

SEEN_LATE = timedelta(seconds=10)
ON_ITS_WAY = timedelta(seconds=20)  # so new a change may not have reached the server
ENVOY, AGENT, BUNDLE, REVISION = "Envoy", "agent", "bundle", "revision"
MOST_OF_A_DIGEST = 12  # tells bundles of one mesh apart


@dataclass(frozen=True, slots=True, order=True)
class Sidecar:
    service: ServiceName
    node: NodeName

    def __str__(self) -> str:
        return f"{self.service} on {self.node}"


def facts_of(setup: Setup) -> Iterator[tuple[str, str]]:
    """By dimension, what is known."""
    revision = str(setup.revision) if setup.revision else ""
    known = {ENVOY: setup.envoy, AGENT: setup.agent, BUNDLE: setup.bundle[:MOST_OF_A_DIGEST], REVISION: revision}
    return ((dimension, value) for dimension, value in known.items() if value)


class Setups:
    def __init__(self, stored: Iterable[StoredSetup] = ()) -> None:
        self._of: defaultdict[Sidecar, list[tuple[datetime, Setup]]] = defaultdict(list)
        for one in sorted(stored, key=lambda one: one.became.at):
            self._of[Sidecar(one.became.service, one.node)].append((one.became.at, one.became.setup))

    def during(self, sidecar: Sidecar, first: datetime, last: datetime) -> Sequence[Setup]:
        """All that it was in that time, or may have been."""
        changes = self._of.get(sidecar, [])
        begins = bisect_right(changes, first, key=lambda one: one[0])
        ends = bisect_left(changes, last + SEEN_LATE, key=lambda one: one[0])
        return [setup for _, setup in changes[max(0, begins - 1) : ends]]

    def first(self, sidecar: Sidecar) -> datetime | None:
        """Since when it is known at all."""
        changes = self._of.get(sidecar)
        return changes[0][0] if changes else None

    def upgrades(self, since: datetime) -> list[Rollout]:
        """Builds that came in place of others: whatever brought them, that is when it was seen."""
        came: defaultdict[tuple[str, str], dict[Sidecar, datetime]] = defaultdict(dict)
        for sidecar, changes in self._of.items():
            for (_, before), (at, after) in pairwise(changes):
                if at >= since:
                    for name in _replaced(before, after):
                        came[name].setdefault(sidecar, at - SEEN_LATE)
        return [_rollout(name, at) for name, at in sorted(came.items())]


def _replaced(before: Setup, after: Setup) -> Iterator[tuple[str, str]]:
    for dimension, old, new in ((ENVOY, before.envoy, after.envoy), (AGENT, before.agent, after.agent)):
        if old and new and old != new:
            yield dimension, new


def _rollout(name: tuple[str, str], came: Mapping[Sidecar, datetime]) -> Rollout:
    touched = {"sidecar": frozenset(map(str, came))}
    return Rollout(f"upgrade to {' '.join(name)}", "", min(came.values()), max(came.values()), touched)
