"""How far each cluster is in a change of root, and which is cut off.

A cluster all of whose agents are away is one thing to mend, not as many as it has participants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from trustplane.rotation.root_change import ParticipantKind, Seen
from trustplane.rotation.root_gates import Waiting
from trustplane.spiffe.names import ClusterName


@dataclass(frozen=True, slots=True)
class ClusterProgress:
    """`name` is none for those that no declared cluster has; of them nothing is said together.

    `since`: when the last of its agents went away, if it is cut off, else when it last proved something.
    """

    name: ClusterName | None
    participants: int
    waiting: tuple[Waiting, ...]
    agents: int
    agents_away: int
    since: datetime | None

    @property
    def ready(self) -> int:
        return self.participants - len({one.participant for one in self.waiting})

    @property
    def is_cut_off(self) -> bool:
        return self.name is not None and 0 < self.agents == self.agents_away

    @property
    def unblock(self) -> str:
        """What an operator can do, if something must be done for all of it."""
        if not self.is_cut_off:
            return ""
        return (
            f"bring back the network between its nodes and the servers, or start its agents; "
            f'if it is gone: trustplane rotate waive "cluster {self.name}"'
        )


def by_cluster(seen: Iterable[Seen], waits: Sequence[Waiting]) -> tuple[ClusterProgress, ...]:
    """By name, those without a cluster last."""
    members: defaultdict[ClusterName | None, list[Seen]] = defaultdict(list)
    for one in seen:
        members[one.cluster].append(one)
    waiting: defaultdict[ClusterName | None, list[Waiting]] = defaultdict(list)
    for each in waits:
        if each.participant is not None:
            waiting[each.cluster].append(each)
    return tuple(_progress(name, members[name], waiting[name]) for name in sorted(members, key=_order))


def _progress(name: ClusterName | None, members: Sequence[Seen], waiting: Sequence[Waiting]) -> ClusterProgress:
    agents = [one for one in members if one.participant.kind is ParticipantKind.AGENT]
    away = [one for one in agents if one.is_away]
    instants = (one.away_since for one in away) if agents and len(away) == len(agents) else (m.since for m in members)
    since = max((one for one in instants if one is not None), default=None)
    return ClusterProgress(name, len(members), tuple(waiting), len(agents), len(away), since)


def _order(name: ClusterName | None) -> tuple[bool, str]:
    return name is None, name.name if name else ""
