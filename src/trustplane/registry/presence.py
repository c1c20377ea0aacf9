"""Which agents are connected, as all servers of one database tell of it together.

Each server writes who came to it and who left, in batches, and keeps its own life prolonged while others share the
database. What it wrote is believed while that life lasts: a server that died takes its agents with it, and one that
started anew has none yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trustplane.spiffe.names import NodeName

FORGOTTEN_AFTER = timedelta(days=7)  # of a server's life, once it has ended


@dataclass(frozen=True, slots=True)
class ServerLife:
    """From a start of a server to its end. `life` tells one from the next; `until` is prolonged while it lasts."""

    server: NodeName
    life: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Presence:
    """What was last written of a node, and in which life of which server."""

    node: NodeName
    server: NodeName
    life: str
    is_connected: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Attendance:
    """`servers` are those that are known to share the database, living or not."""

    connected: frozenset[NodeName] = frozenset()
    away_since: Mapping[NodeName, datetime] = field(default_factory=dict)
    servers: frozenset[NodeName] = frozenset()
    servers_away_since: Mapping[NodeName, datetime] = field(default_factory=dict)


def attendance(
    own: NodeName,
    here: AbstractSet[NodeName],
    lives: Iterable[ServerLife],
    presences: Iterable[Presence],
    at: datetime,
) -> Attendance:
    """As the server `own` sees it, which knows better than the database who is connected to itself."""
    known = {one.server: one for one in lives}
    ended = {one.server: one.until for one in known.values() if one.server != own and one.until <= at}
    connected, away_since = set(here), {}
    for one in presences:
        if one.node in here:
            continue
        life = known.get(one.server)
        is_believed = life is not None and life.life == one.life and one.server not in ended and one.server != own
        if one.is_connected and is_believed:
            connected.add(one.node)
        else:
            away_since[one.node] = min(_left(one, life), at)
    return Attendance(frozenset(connected), away_since, frozenset({own, *known}), ended)


def _left(one: Presence, life: ServerLife | None) -> datetime:
    """A node that was not seen leaving left when its server's life ended, as far as that is known."""
    if not one.is_connected or life is None:
        return one.since
    return life.until if life.life == one.life else life.since
