"""How far a change of root is, for alerts; labelled by phases and by the clusters the trust repository declares.

Only the server that drives the change shows it, so of several servers one does, and a maximum over them is the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.flows.roots.change_root import ChangeRoot, Progress
from trustplane.main.metrics.measure import gauge
from trustplane.rotation.root_change import LinkBelow, Phase, RootChange
from trustplane.rotation.root_clusters import by_cluster
from trustplane.trust.authority import AuthorityId

PHASE = gauge("trustplane_rotation_phase", "1 for the phase the change of root is in", "phase")
PHASE_START = gauge(
    "trustplane_rotation_phase_start_timestamp_seconds",
    "When that phase began; time() less this is how long it lasts",
)
START = gauge("trustplane_rotation_start_timestamp_seconds", "When the change began")
PAUSED = gauge("trustplane_rotation_paused", "1 while an operator lets nothing happen")
PARTICIPANTS = gauge(
    "trustplane_rotation_participants",
    "Participants of the change of root; cluster is empty for those that no cluster has",
    "cluster",
)
READY = gauge("trustplane_rotation_participants_ready", "Those that the phase waits for no more", "cluster")
WAITED_FOR = gauge("trustplane_rotation_participants_waited_for", "Those that the phase waits for", "cluster")
AWAY = gauge("trustplane_rotation_agents_away", "Agents that are connected to no server", "cluster")
CUT_OFF = gauge("trustplane_rotation_cluster_cut_off", "1 if all agents of the cluster are away", "cluster")
LINKS = gauge(
    "trustplane_rotation_links_seen",
    "Links in use, by the root below which a certificate on them is: leaving, coming, other or unknown",
    "root",
)
_ROLES = ("leaving", "coming", "other", "unknown")


class RotationMetrics(Collector):
    """Read when scraped, from the last look; nothing while no change is under way here."""

    def __init__(self, changing: ChangeRoot) -> None:
        self._changing = changing

    def collect(self) -> Iterator[Metric]:
        progress = self._changing.driven
        if progress is not None:
            yield from figures(progress)


def figures(progress: Progress) -> Iterator[Metric]:
    if progress.change is not None:
        yield from _of_change(progress.change)
        yield from _of_clusters(progress)
        yield _of_links(progress.change, progress.surveyed.survey.links)


def _of_change(change: RootChange) -> Iterator[Metric]:
    yield PHASE.each(([one.value], one is change.phase) for one in Phase)
    yield PHASE_START.of(change.since.timestamp())
    yield START.of(change.started_at.timestamp())
    yield PAUSED.of(change.is_paused)


def _of_clusters(progress: Progress) -> Iterator[Metric]:
    clusters = [
        ([one.name.name if one.name else ""], one) for one in by_cluster(progress.surveyed.survey.seen, progress.waits)
    ]
    yield PARTICIPANTS.each((labels, one.participants) for labels, one in clusters)
    yield READY.each((labels, one.ready) for labels, one in clusters)
    yield WAITED_FOR.each((labels, one.participants - one.ready) for labels, one in clusters)
    yield AWAY.each((labels, one.agents_away) for labels, one in clusters)
    yield CUT_OFF.each((labels, one.is_cut_off) for labels, one in clusters)


def _of_links(change: RootChange, links: Iterable[LinkBelow]) -> Metric:
    """By what the root is to this change: labels stay few however many roots there were."""
    seen = Counter(_role(one.root, change) for one in links if one.is_seen)
    return LINKS.each(([role], seen[role]) for role in _ROLES)


def _role(root: AuthorityId | None, change: RootChange) -> str:
    if root is None:
        return "unknown"
    return {change.leaving: "leaving", change.coming: "coming"}.get(root, "other")
