"""How far a change of root is, for alerts; labelled by phases and by the clusters the trust repository declares.

Only the server that drives the change shows it, so of several servers one does, and a maximum over them is the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trustplane.flows.change_root import ChangeRoot, Progress
from trustplane.rotation.root_change import LinkBelow, Phase, RootChange
from trustplane.rotation.root_clusters import by_cluster
from trustplane.trust.authority import AuthorityId

_OF_CLUSTERS = {
    "participants": "Participants of the change of root; cluster is empty for those that no cluster has",
    "participants_ready": "Those that the phase waits for no more",
    "participants_waited_for": "Those that the phase waits for",
    "agents_away": "Agents that are connected to no server",
    "cluster_cut_off": "1 if all agents of the cluster are away",
}
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
    phase = GaugeMetricFamily("trustplane_rotation_phase", "1 for the phase the change of root is in", labels=["phase"])
    for one in Phase:
        phase.add_metric([one.value], one is change.phase)
    yield phase
    since = "When that phase began; time() less this is how long it lasts"
    yield GaugeMetricFamily("trustplane_rotation_phase_start_timestamp_seconds", since, change.since.timestamp())
    yield GaugeMetricFamily(
        "trustplane_rotation_start_timestamp_seconds", "When the change began", change.started_at.timestamp()
    )
    yield GaugeMetricFamily("trustplane_rotation_paused", "1 while an operator lets nothing happen", change.is_paused)


def _of_clusters(progress: Progress) -> Iterator[Metric]:
    gauges = {
        name: GaugeMetricFamily(f"trustplane_rotation_{name}", what, labels=["cluster"])
        for name, what in _OF_CLUSTERS.items()
    }
    for one in by_cluster(progress.surveyed.survey.seen, progress.waits):
        labels = [one.name.name if one.name else ""]
        gauges["participants"].add_metric(labels, one.participants)
        gauges["participants_ready"].add_metric(labels, one.ready)
        gauges["participants_waited_for"].add_metric(labels, one.participants - one.ready)
        gauges["agents_away"].add_metric(labels, one.agents_away)
        gauges["cluster_cut_off"].add_metric(labels, one.is_cut_off)
    yield from gauges.values()


def _of_links(change: RootChange, links: Iterable[LinkBelow]) -> Metric:
    """By what the root is to this change: labels stay few however many roots there were."""
    seen = Counter(_role(one.root, change) for one in links if one.is_seen)
    what = "Links in use, by the root below which a certificate on them is: leaving, coming, other or unknown"
    gauge = GaugeMetricFamily("trustplane_rotation_links_seen", what, labels=["root"])
    for role in _ROLES:
        gauge.add_metric([role], seen[role])
    return gauge


def _role(root: AuthorityId | None, change: RootChange) -> str:
    if root is None:
        return "unknown"
    return {change.leaving: "leaving", change.coming: "coming"}.get(root, "other")
