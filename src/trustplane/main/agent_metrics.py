"""The agent's metrics. Names and labels stay bounded: nothing is labelled by workload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trustplane.clock import Clock
from trustplane.flows.clock_watch import ClockWatch
from trustplane.flows.cross_check_sidecars import CrossCheckSidecars
from trustplane.flows.follow_server import FollowServer
from trustplane.flows.keep_leaves import KeepLeaves
from trustplane.flows.node_identity import KeepNodeIdentity
from trustplane.flows.outlook import first_expiry
from trustplane.flows.remember_identities import RememberIdentities
from trustplane.flows.seen_links import SeenLinks

MOST_CODES = 50


@dataclass(frozen=True, slots=True)
class Watched:
    """What the figures are read from."""

    node: KeepNodeIdentity
    follower: FollowServer
    leaves: KeepLeaves
    memory: RememberIdentities
    watch: ClockWatch
    checks: CrossCheckSidecars
    links: SeenLinks
    clock: Clock


def agent_metrics(watched: Watched) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Figures(watched))
    return registry


class _Figures(Collector):
    """Read when scraped, from what the process holds in memory."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def describe(self) -> Iterator[Metric]:
        return iter(())  # else registering would scrape

    def collect(self) -> Iterator[Metric]:
        yield from self._identities()
        yield from self._failures()
        yield from self._clock()
        yield from self._sidecars()

    def _identities(self) -> Iterator[Metric]:
        at, leaves = self._watched.clock.now(), self._watched.leaves.leaves
        held = [leaf.keyed.svid for leaf in leaves if leaf.keyed]
        identity = self._watched.node.identity.value
        soonest = GaugeMetricFamily(
            "trustplane_agent_first_expiry_seconds", "Until the first SVID here expires", labels=["of"]
        )
        for of, svids in (("workloads", held), ("node", [identity.keyed.svid] if identity else [])):
            expiry = first_expiry(svids)
            if expiry is not None:
                soonest.add_metric([of], (expiry - at).total_seconds())
        yield soonest
        missing = sum(leaf.usable(at) is None for leaf in leaves)
        yield GaugeMetricFamily("trustplane_agent_leaves", "Entries of this node", len(leaves))
        yield GaugeMetricFamily("trustplane_agent_leaves_without_svid", "Entries without a valid SVID", missing)
        late = self._watched.leaves.late
        yield GaugeMetricFamily("trustplane_agent_leaves_late", "Entries whose renewal is late, or was too late", late)
        away = self._watched.follower.disconnected_since
        gone = max((at - away).total_seconds(), 0) if away else 0
        yield GaugeMetricFamily("trustplane_agent_server_disconnected_seconds", "Since the stream was lost", gone)

    def _failures(self) -> Iterator[Metric]:
        failed = CounterMetricFamily("trustplane_agent_renewals_failed", "Attempts without a new SVID", labels=["code"])
        counted = self._watched.leaves.failures.most_common()
        for code, times in counted[:MOST_CODES]:
            failed.add_metric([code], times)
        if rest := sum(times for _, times in counted[MOST_CODES:]):
            failed.add_metric(["other"], rest)
        yield failed
        yield CounterMetricFamily(
            "trustplane_agent_cache_save_failures", "Identities not saved", self._watched.memory.failed_saves
        )

    def _clock(self) -> Iterator[Metric]:
        skew = self._watched.watch.skew
        if skew is not None:
            of = "Of the server's clock less ours"
            yield GaugeMetricFamily("trustplane_agent_clock_skew_seconds", of, skew.offset.total_seconds())
            error = skew.error.total_seconds()
            yield GaugeMetricFamily("trustplane_agent_clock_skew_error_seconds", "Bound of that figure's error", error)
        steps = self._watched.watch.steps
        yield CounterMetricFamily("trustplane_agent_clock_steps", "How often the clock was set", steps)

    def _sidecars(self) -> Iterator[Metric]:
        checks = self._watched.checks
        what = "Sidecars that contradict what they acknowledged, or have stopped listening"
        doubted = GaugeMetricFamily("trustplane_agent_sidecars_in_doubt", what, labels=["because"])
        doubted.add_metric(["contradicts"], checks.doubted(silent=False))
        doubted.add_metric(["silent"], checks.doubted(silent=True))
        yield doubted
        failed = "Looks at a sidecar's administration that failed"
        yield CounterMetricFamily("trustplane_agent_sidecar_looks_failed", failed, checks.failed_looks)
        links = self._watched.links
        kept = "Links that this node's sidecars see, as the server is told"
        yield GaugeMetricFamily("trustplane_agent_links", kept, links.links)
        beyond = "Requests on links beyond the number that is kept, of which nothing is told"
        yield CounterMetricFamily("trustplane_agent_link_sightings_untold", beyond, links.untold)
