"""How far each cluster is, as a table; one that is cut off is one line, however many it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from trustplane.cli.output import relative, table
from trustplane.wire.http_rotation_shapes import ClusterProgressShape, WaitingShape

MOST_NAMED = 2
NO_CLUSTER = "(no cluster)"


def cut_off(clusters: Sequence[ClusterProgressShape]) -> Mapping[str, ClusterProgressShape]:
    return {one.name: one for one in clusters if one.cut_off and one.name is not None}


def is_told_by_its_cluster(one: WaitingShape, cut: Mapping[str, ClusterProgressShape]) -> bool:
    return one.away and one.cluster in cut


def progress(clusters: Sequence[ClusterProgressShape], waiting: Sequence[WaitingShape], now: datetime) -> str:
    """Nothing where no cluster is declared."""
    if not clusters:
        return ""
    rows = [
        (one.name or NO_CLUSTER, _count(one), _agents(one), _since(one, now), _waited_for(one, waiting))
        for one in clusters
    ]
    return table(("CLUSTER", "READY", "AGENTS", "LAST HEARD", "WAITS FOR"), rows)


def holders(clusters: Sequence[ClusterProgressShape], now: datetime) -> str:
    """How many of each hold the published bundle."""
    if not clusters:
        return ""
    rows = [(one.name or NO_CLUSTER, _count(one), _agents(one), _since(one, now)) for one in clusters]
    return table(("CLUSTER", "HOLD IT", "AGENTS", "LAST HEARD"), rows)


def lines_of_cut_off(
    cut: Mapping[str, ClusterProgressShape], waiting: Sequence[WaitingShape], now: datetime
) -> list[tuple[str, str, str, str]]:
    """In place of everyone of it."""
    rows = []
    for name, one in cut.items():
        count = len({each.participant for each in waiting if each.cluster == name and each.away})
        if count:
            agents = "its agent is" if one.agents == 1 else f"all {one.agents} of its agents are"
            because = f"is cut off: {agents} away, and {count} {'has' if count == 1 else 'have'} proved nothing since"
            rows.append((f"cluster {name}", because, _since(one, now), one.unblock or ""))
    return rows


def _count(one: ClusterProgressShape) -> str:
    return f"{one.ready} of {one.participants}"


def _since(one: ClusterProgressShape, now: datetime) -> str:
    return relative(one.since, now) if one.since else "never heard"


def _agents(one: ClusterProgressShape) -> str:
    if one.cut_off:
        return f"0 of {one.agents}, cut off"
    return f"{one.agents - one.agents_away} of {one.agents}" if one.agents else "none"


def _waited_for(one: ClusterProgressShape, waiting: Sequence[WaitingShape]) -> str:
    if one.cut_off and one.ready < one.participants:
        return "its agents"
    names = list(dict.fromkeys(each.participant for each in waiting if each.cluster == one.name and each.participant))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more or "-"
