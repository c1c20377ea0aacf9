"""A node or server is in one cluster at most."""

from __future__ import annotations

from itertools import combinations

from trustplane.registry.clusters import Cluster
from trustplane.registry.draft import Draft
from trustplane.registry.findings import Findings


def check_clusters(draft: Draft, findings: Findings) -> None:
    for one, other in combinations(draft.domain.value.clusters.declared.values(), 2):
        _check_pair(draft, "nodes", one, other, findings)
        _check_pair(draft, "servers", one, other, findings)


def _check_pair(draft: Draft, kind: str, one: Cluster, other: Cluster, findings: Findings) -> None:
    mine, theirs = (one.nodes, other.nodes) if kind == "nodes" else (one.servers, other.servers)
    for their in theirs:
        met = next((my for my in mine if my.meets(their)), None)
        if met:
            first = draft.domain.place("clusters", one.name.name, kind, met.text)
            findings.add(
                code="two-clusters",
                what=f"{kind[:-1]} {their} belongs to {other.name} and, by {met} in line {first.line}, to {one.name}",
                why="progress would be counted twice, and a waiver of one cluster would reach into the other",
                fix="name each of them in one cluster, or write longer beginnings of names",
                place=draft.domain.place("clusters", other.name.name, kind, their.text),
            )
