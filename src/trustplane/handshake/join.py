"""The two records of one connection, put together: one side's own address is the other side's peer.

Ports are used again, so of several candidates the one nearest in time is taken, and none that is too far away. An
address that was rewritten on the way (NAT, a load balancer) joins nothing; the pair then has one side and says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from trustplane.handshake.failure import Failure, Side

NEAR: Final = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of one failed connection: the client's record, the server's, or both."""

    client: Failure | None
    server: Failure | None
    unsided: Failure | None = None

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(one for one in (self.server, self.client, self.unsided) if one is not None)

    @property
    def missing(self) -> Side | None:
        if self.client is not None and self.server is None:
            return Side.SERVER
        if self.server is not None and self.client is None:
            return Side.CLIENT
        return None


def join(failures: Iterable[Failure]) -> list[Pair]:
    """In the order of the records; each record is in one pair."""
    every = list(failures)
    waiting: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(every):
        if one.side is Side.SERVER and one.peer:
            waiting[one.peer].append(place)
    taken: dict[int, int] = {}
    for place, one in enumerate(every):
        if one.side is Side.CLIENT and one.local and (found := _nearest(one, waiting[one.local], every)) is not None:
            waiting[one.local].remove(found)
            taken[place] = found
    joined = set(taken.values())
    return [
        _pair(one, every[taken[place]] if place in taken else None)
        for place, one in enumerate(every)
        if place not in joined
    ]


def _pair(one: Failure, server: Failure | None) -> Pair:
    match one.side:
        case Side.CLIENT:
            return Pair(one, server)
        case Side.SERVER:
            return Pair(None, one)
        case None:
            return Pair(None, None, one)


def _nearest(client: Failure, places: Sequence[int], every: Sequence[Failure]) -> int | None:
    distances = [(_distance(client, every[place]), place) for place in places if _meets(client, every[place])]
    return min((one for one in distances if one[0] <= NEAR), default=(NEAR, None))[1]


def _meets(client: Failure, server: Failure) -> bool:
    """A server may listen on any address, so only an address that contradicts counts."""
    return not client.peer or not server.local or _port(client.peer) == _port(server.local)


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _distance(one: Failure, other: Failure) -> timedelta:
    return abs(one.at - other.at) if one.at and other.at else timedelta(0)
