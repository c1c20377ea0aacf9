"""What Envoy's own figures say of a sidecar's open connections: how many there are, and of which generation.

Nothing that is missing counts as proof: while a listener or cluster is still warming, or the newest generation is not
counted at all, the connections of before may not have ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trustplane.xds.generations import counted_as, generation_of
from trustplane.xds.inbound import CHAIN, INBOUND
from trustplane.xds.resources import Kind, Offer

# For Envoy's `filter`: gauges alone, so that a busy sidecar answers with a few lines.
STATISTICS = (
    r"^(http\.inbound(@[0-9a-f]+)?\.downstream_cx_active"
    r"|cluster\.outbound/.+\.upstream_cx_active"
    r"|listener_manager\.total_listeners_(warming|active)"
    r"|cluster_manager\.warming_clusters)$"
)
_WARMING = ("listener_manager.total_listeners_warming", "cluster_manager.warming_clusters")
_INWARD = re.compile(r"http\.(inbound(@[0-9a-f]+)?)\.downstream_cx_active")
_OUTWARD = re.compile(r"cluster\.(outbound/.+)\.upstream_cx_active")


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """`former`: of each former generation that is still let in, how many are open. `before`: all that were made before
    the newest generation, in and out."""

    count: int
    before: int
    former: Mapping[str, int]
    is_taken_up: bool


def generations_of(offer: Offer) -> tuple[str, ...]:
    """The generations its inbound listener has chains for, the newest first; none where connections end by age."""
    listener = offer.of(Kind.LISTENER).get(INBOUND)
    chains = listener.content.get("filter_chains") if listener else None
    names = [str(one.get("name")) for one in chains] if isinstance(chains, list) else []
    return tuple(name.removeprefix(f"{CHAIN}@") for name in names if name.startswith(f"{CHAIN}@"))


def open_connections(figures: Mapping[str, int], offer: Offer) -> OpenConnections:
    """`figures` are Envoy's, by name; `offer` is what it acknowledged."""
    newest = _newest(offer)
    counts = {name: count for name, count in map(_counted, figures.items()) if name}
    before = sum(count for name, count in counts.items() if name not in newest)
    former = {one: counts.get(counted_as(INBOUND, one), 0) for one in generations_of(offer)[1:]}
    warming = any(figures.get(one, 1) for one in _WARMING)
    return OpenConnections(sum(counts.values()), before, former, not warming and newest <= set(counts))


def _newest(offer: Offer) -> frozenset[str]:
    """The names under which the connections of now are counted. Envoy writes `:` as `_` there."""
    inbound = counted_as(INBOUND, next(iter(generations_of(offer)), ""))
    names = (str(one.content.get("alt_stat_name", one.name)) for one in offer.of(Kind.CLUSTER).values())
    outbound = (one.replace(":", "_") for one in names if one.startswith("outbound/"))
    return frozenset({inbound, *outbound})


def _counted(figure: tuple[str, int]) -> tuple[str, int]:
    name, count = figure
    found = _INWARD.fullmatch(name) or _OUTWARD.fullmatch(name)
    return (found[1] if found else "", count)


def drains(offer: Offer) -> bool:
    """Whether each of its connections has a generation, so that those of before can be told apart."""
    return bool(generations_of(offer)) and all(generation_of(f"{one}.") for one in _newest(offer))
