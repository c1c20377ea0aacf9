"""Which services can meet on a node. Only those matter to each other's selectors and ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import TypeVar

from trustplane.registry.model import Service

T = TypeVar("T")


def share_a_node(one: Service, other: Service) -> bool:
    """Whether some node may host both; a service without nodes may be on any."""
    return not one.nodes or not other.nodes or not one.nodes.isdisjoint(other.nodes)


def meeting(items: Sequence[T], service_of: Callable[[T], Service]) -> Iterator[tuple[T, T]]:
    """Each pair of items whose services share a node, once. A thousand services on a thousand nodes cost no pairs."""
    anywhere = [item for item in items if not service_of(item).nodes]
    yield from combinations(anywhere, 2)
    yield from product(anywhere, (item for item in items if service_of(item).nodes))
    by_node = defaultdict(list)
    for index, item in enumerate(items):
        for node in service_of(item).nodes:
            by_node[node].append(index)
    met = set()
    for indices in by_node.values():
        for pair in combinations(indices, 2):
            if pair not in met:
                met.add(pair)
                yield items[pair[0]], items[pair[1]]
