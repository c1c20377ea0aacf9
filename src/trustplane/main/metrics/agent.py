"""The agent's metrics. Names and labels stay bounded: nothing is labelled by workload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.clock import Clock
from trustplane.flows.node.clock_watch import ClockWatch
from trustplane.flows.node.cross_check_sidecars import CrossCheckSidecars
from trustplane.flows.node.follow_server import FollowServer
from trustplane.flows.node.keep_leaves import KeepLeaves
from trustplane.flows.node.node_identity import KeepNodeIdentity
from trustplane.flows.node.outlook import first_expiry
from trustplane.flows.node.remember_identities import RememberIdentities
from trustplane.flows.roots.seen_links import SeenLinks
from trustplane.main.metrics.measure import counter, gauge

MOST_CODES = 50

FIRST_EXPIRY = gauge("trustplane_agent_first_expiry_seconds", "Until the first SVID here expires", "of")
LEAVES = gauge("trustplane_agent_leaves", "Entries of this node")
WITHOUT_SVID = gauge("trustplane_agent_leaves_without_svid", "Entries without a valid SVID")
LATE = gauge("trustplane_agent_leaves_late", "Entries whose renewal is late, or was too late")
SLACK = gauge("trustplane_agent_slack_min_ratio", "Least share of its life that an SVID served here has left")
DISCONNECTED = gauge("trustplane_agent_server_disconnected_seconds", "Since the stream was lost")
RENEWALS_FAILED = counter("trustplane_agent_renewals_failed", "Attempts without a new SVID", "code")
SAVES_FAILED = counter("trustplane_agent_cache_save_failures", "Identities not saved")
SKEW = gauge("trustplane_agent_clock_skew_seconds", "Of the server's clock less ours")
SKEW_ERROR = gauge("trustplane_agent_clock_skew_error_seconds", "Bound of that figure's error")
STEPS = counter("trustplane_agent_clock_steps", "How often the clock was set")
IN_DOUBT = gauge(
    "trustplane_agent_sidecars_in_doubt",
    "Sidecars that contradict what they acknowledged, or have stopped listening",
    "because",
)
LINKS = gauge("trustplane_agent_links", "Links that this node's sidecars see, as the server is told")
UNTOLD = counter(
    "trustplane_agent_link_sightings_untold",
    "Requests on links beyond the number that is kept, of which nothing is told",
)
LOOKS_FAILED = counter("trustplane_agent_sidecar_looks_failed", "Looks at a sidecar's administration that failed")


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
        of = (("workloads", held), ("node", [identity.keyed.svid] if identity else []))
        first = [(whose, first_expiry(svids)) for whose, svids in of]
        yield FIRST_EXPIRY.each(([whose], (expiry - at).total_seconds()) for whose, expiry in first if expiry)
        slack = [(svid.not_after - at) / (svid.not_after - svid.not_before) for svid in held]
        yield SLACK.of(min(slack, default=None))
        yield LEAVES.of(len(leaves))
        yield WITHOUT_SVID.of(sum(leaf.usable(at) is None for leaf in leaves))
        yield LATE.of(self._watched.leaves.late)
        away = self._watched.follower.disconnected_since
        yield DISCONNECTED.of(max((at - away).total_seconds(), 0) if away else 0)

    def _failures(self) -> Iterator[Metric]:
        counted = self._watched.leaves.failures.most_common()
        rest = sum(times for _, times in counted[MOST_CODES:])
        told = [*counted[:MOST_CODES], *([("other", rest)] if rest else [])]
        yield RENEWALS_FAILED.each(([code], times) for code, times in told)
        yield SAVES_FAILED.of(self._watched.memory.failed_saves)

    def _clock(self) -> Iterator[Metric]:
        skew = self._watched.watch.skew
        if skew is not None:
            yield SKEW.of(skew.offset.total_seconds())
            yield SKEW_ERROR.of(skew.error.total_seconds())
        yield STEPS.of(self._watched.watch.steps)

    def _sidecars(self) -> Iterator[Metric]:
        checks = self._watched.checks
        yield IN_DOUBT.each(
            [(["contradicts"], checks.doubted(silent=False)), (["silent"], checks.doubted(silent=True))]
        )
        yield LOOKS_FAILED.of(checks.failed_looks)
        yield LINKS.of(self._watched.links.links)
        yield UNTOLD.of(self._watched.links.untold)
