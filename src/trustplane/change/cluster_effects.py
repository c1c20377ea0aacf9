"""What a change of clusters does, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from trustplane.change.described import Kind
from trustplane.change.effect import Effect, Subject
from trustplane.registry.clusters import Cluster
from trustplane.registry.model import DesiredState


def of_clusters(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[Subject, Effect]]:
    before = old.clusters.declared if old else {}
    after = new.clusters.declared
    for name in sorted(before.keys() | after.keys()):
        subject = (Kind.CLUSTER, name.name)
        match before.get(name), after.get(name):
            case None, Cluster() as made:
                yield subject, Effect(f"a change of root shows how far {name} is, as one: {_members(made)}")
            case Cluster(), None:
                yield subject, Effect(f"whoever belonged to {name} is shown by itself; a waiver of {name} ends")
            case Cluster() as was, Cluster() as made if was != made:
                text = f"{_members(made)} belong to {name} from now on; so does what a waiver of {name} excuses"
                yield subject, Effect(text)


def _members(cluster: Cluster) -> str:
    named = (("nodes", cluster.nodes), ("servers", cluster.servers))
    return " and ".join(f"{kind} {', '.join(map(str, names))}" for kind, names in named if names)
