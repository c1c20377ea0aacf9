"""The two records of one connection, put together: one side's own address is the other side's peer.

Ports are used again, so of several candidates the one nearest in time is taken, and none that is too far away. An
address that was rewritten on the way (NAT, a load balancer) joins nothing; the pair then has one side and says so.

A proxy whose connection failed before it was made (Envoy's UF) logs no address of its own. Such a record is joined by
the server's address and the time, if every server record that could be meant says the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trustplane.handshake.failure import Failure, Side

NEAR: Final = timedelta(seconds=120)
AT_ONCE: Final = timedelta(seconds=2)
MAX_CANDIDATES: Final = 64


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of one failed connection: the client's record, the server's, or both. `by_time` says that no
    address joined them."""

    client: Failure | None
    server: Failure | None
    unsided: Failure | None = None
    by_time: bool = False

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
    by_peer = Servers(every, lambda one: one.peer)
    by_local = Servers(every, lambda one: one.local)
    joined: dict[int, Pair] = {}
    servers: set[int] = set()
    for place, one in enumerate(every):
        if one.side is Side.CLIENT and one.local:
            free = [at for at in by_peer.near(one.local, one.at, NEAR) if at not in servers]
            if (found := _nearest(one, free, every)) is not None:
                joined[place] = Pair(one, every[found])
                servers.add(found)
    for place, one in enumerate(every):
        if one.side is Side.CLIENT and not one.local and one.peer and one.at:
            free = [at for at in by_local.near(one.peer, one.at, AT_ONCE) if at not in servers]
            if (found := _only(one, free, every)) is not None:
                joined[place] = Pair(one, every[found], by_time=True)
                servers.add(found)
    return [joined.get(place) or _alone(one) for place, one in enumerate(every) if place not in servers]


class Servers:
    """Server records by an address, and in the order of time. What is looked at for one client is bounded, so that a
    hostile log costs no squares."""

    def __init__(self, every: Sequence[Failure], address: Callable[[Failure], str]) -> None:
        self._timed: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
        self._untimed: dict[str, list[int]] = defaultdict(list)
        for place, one in enumerate(every):
            if one.side is not Side.SERVER or not address(one):
                continue
            if one.at:
                self._timed[address(one)].append((one.at, place))
            elif len(self._untimed[address(one)]) < MAX_CANDIDATES:
                self._untimed[address(one)].append(place)
        for found in self._timed.values():
            found.sort()

    def near(self, address: str, at: datetime | None, within: timedelta) -> list[int]:
        timed = self._timed.get(address, [])
        first = bisect_left(timed, (at - within, -1)) if at else 0
        last = bisect_right(timed, (at + within, len(timed))) if at else MAX_CANDIDATES
        found = [place for _, place in timed[first : min(last, first + MAX_CANDIDATES)]]
        return found + self._untimed.get(address, [])


def _alone(one: Failure) -> Pair:
    match one.side:
        case Side.CLIENT:
            return Pair(one, None)
        case Side.SERVER:
            return Pair(None, one)
        case None:
            return Pair(None, None, one)


def _nearest(client: Failure, places: Sequence[int], every: Sequence[Failure]) -> int | None:
    distances = [(_distance(client, every[place]), place) for place in places if _meets(client, every[place])]
    return min((one for one in distances if one[0] <= NEAR), default=(NEAR, None))[1]


def _only(client: Failure, places: Sequence[int], every: Sequence[Failure]) -> int | None:
    """The nearest of those at the same time, unless they differ in what they say or there are too many to look at."""
    near = sorted((_distance(client, every[place]), place) for place in places if every[place].at is not None)
    said = {(every[place].text, every[place].details) for _, place in near}
    return near[0][1] if len(said) == 1 and len(near) < MAX_CANDIDATES else None


def _meets(client: Failure, server: Failure) -> bool:
    """A server may listen on any address, so only a port that contradicts counts."""
    return not client.peer or not server.local or _port(client.peer) == _port(server.local)


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _distance(one: Failure, other: Failure) -> timedelta:
    return abs(one.at - other.at) if one.at and other.at else timedelta(0)
