"""How the fleet stands, for alerts. Every server shows the whole fleet: take the maximum over servers, never the sum.

Labels are bounded: cohorts by `issuance.punctuality`, clusters by the trust repository, the rest by this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.roots.fleet_uptake import Share
from trustplane.flows.roots.watch_fleet import WatchFleet
from trustplane.main.metrics.measure import Family, Measure, counter, gauge

READ = gauge("trustplane_fleet_read_timestamp_seconds", "When the figures of the fleet were last read from the store")

_COHORT = ("by", "cohort")
IN_TIME = counter("trustplane_renewals_in_time", "Renewals done before the old leaf was late", *_COHORT)
TOO_LATE = counter("trustplane_renewals_late", "Renewals not done when half of renewal to expiry was gone", *_COHORT)
LEAVES = gauge("trustplane_cohort_leaves", "Newest leaves that somebody is entitled to, lost ones too", *_COHORT)
LATE = gauge("trustplane_cohort_leaves_late", "Those whose renewal is late and that are still valid", *_COHORT)
LOST = gauge("trustplane_cohort_leaves_lost", "Those that expired in the last day without a successor", *_COHORT)
LATE_NODES = gauge("trustplane_cohort_nodes_late", "Nodes with a late or a lost leaf", *_COHORT)
FIRST = gauge(
    "trustplane_cohort_first_expiry_timestamp_seconds", "When the first late leaf expires; absent: none", *_COHORT
)
SLACK = gauge("trustplane_cohort_slack_min_ratio", "Least share of its life that a newest leaf has left", *_COHORT)
BANDS = gauge(
    "trustplane_leaves_by_slack", "Newest leaves by the share of life left, up to and above the last", "up_to"
)

AGENTS = gauge("trustplane_agents_enrolled", "Agents that are enrolled and not evicted", "cluster")
AWAY = gauge("trustplane_agents_away", "Those that are connected to no server", "cluster")
AWAY_SINCE = gauge("trustplane_agents_away_since_timestamp_seconds", "Since when the first of them is", "cluster")
BUNDLES = gauge("trustplane_bundle_holders", "Holders of the bundle, each under each name it has it by", "cluster")
BEHIND = gauge("trustplane_bundle_holders_behind", "Those that do not hold what is published", "cluster")
BEHIND_SINCE = gauge(
    "trustplane_bundle_holders_behind_since_timestamp_seconds", "Since when the first of them does not", "cluster"
)
SERVED = gauge("trustplane_leaves_served", "Leaves that proxies hold", "cluster")
STALE = gauge("trustplane_leaves_served_stale", "Those that are not the newest issued", "cluster")
STALE_SINCE = gauge(
    "trustplane_leaves_served_stale_since_timestamp_seconds", "When the first of their successors was issued", "cluster"
)

REFUSALS = gauge("trustplane_resources_refused", "Resources that a proxy refuses (NACK) and lacks for it", "kind")
DOUBTS = gauge("trustplane_proxies_in_doubt", "Contradictions and silences told of proxies", "because")
SKEW = gauge("trustplane_clock_skew_max_seconds", "Largest difference of an agent's clock that is certain")
CLOCKS = gauge("trustplane_agents_clock_off", "Agents whose clock is off by more than a fresh leaf is backdated")


class FleetMetrics(Collector):
    """Read when scraped, from the last look."""

    def __init__(self, fleet: WatchFleet, connected: ConnectedAgents) -> None:
        self._fleet = fleet
        self._connected = connected

    def collect(self) -> Iterator[Metric]:
        read_at = self._fleet.read_at
        yield READ.of(read_at.timestamp() if read_at else None)
        yield from self._renewals()
        yield from self._held()
        skews = [one for one in self._connected.skews().values() if one is not None]
        yield SKEW.of(max((one.at_least for one in skews), default=timedelta(0)).total_seconds())
        yield CLOCKS.of(sum(one.invalidates for one in skews))

    def _renewals(self) -> Iterator[Metric]:
        standing = self._fleet.standing
        yield IN_TIME.each(([one.by, one.name], count) for one, count in sorted(standing.in_time.items()))
        yield TOO_LATE.each(([one.by, one.name], count) for one, count in sorted(standing.late.items()))
        cohorts = [([one.by, one.name], found) for one, found in standing.cohorts.items()]
        yield LEAVES.each((labels, one.leaves) for labels, one in cohorts)
        yield LATE.each((labels, one.late) for labels, one in cohorts)
        yield LOST.each((labels, one.lost) for labels, one in cohorts)
        yield LATE_NODES.each((labels, len(one.late_nodes)) for labels, one in cohorts)
        yield SLACK.each((labels, one.least_slack) for labels, one in cohorts)
        yield FIRST.each((labels, one.first_expiry.timestamp()) for labels, one in cohorts if one.first_expiry)
        yield BANDS.each(([f"{band:g}"], count) for band, count in standing.slack.items())

    def _held(self) -> Iterator[Metric]:
        uptake = self._fleet.uptake
        for shares, measures in (
            (uptake.agents, (AGENTS, AWAY, AWAY_SINCE)),
            (uptake.bundles, (BUNDLES, BEHIND, BEHIND_SINCE)),
            (uptake.leaves, (SERVED, STALE, STALE_SINCE)),
        ):
            yield from _shares(shares, measures)
        yield REFUSALS.each(([kind], count) for kind, count in uptake.refused.items())
        yield DOUBTS.each(([because], count) for because, count in uptake.doubts.items())


def _shares(shares: Mapping[str, Share], measures: tuple[Measure, Measure, Measure]) -> Iterator[Family]:
    of, wrong, since = measures
    yield of.each(([cluster], one.of) for cluster, one in shares.items())
    yield wrong.each(([cluster], one.wrong) for cluster, one in shares.items())
    yield since.each(([cluster], one.since.timestamp()) for cluster, one in shares.items() if one.since)
