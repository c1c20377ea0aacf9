"""When an agent tells that one of its proxies contradicts itself or stopped listening, that is an event on record.

It stands in front of the table of what participants hold. An agent that goes back and forth cannot fill the audit log:
of each node so many events an hour are written, and the table shows the rest.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.registry.records import Holding
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.xds.cross_check import PROXY

EVENTS_AN_HOUR = 60  # of one node
_HOUR = timedelta(hours=1)


class Table(Protocol):
    async def put_holdings(self, holdings: Sequence[Holding]) -> None: ...

    async def drop_participants(self, node: NodeName, participants: Sequence[str]) -> None: ...

    async def holdings(self) -> Sequence[Holding]: ...

    async def put_hosting(self, node: NodeName, services: frozenset[ServiceName], at: datetime) -> None: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class NoteDoubts:
    """Satisfies `wire.node_reports.Uptake`."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._doubted: defaultdict[NodeName, set[tuple[str, str]]] = defaultdict(set)  # by participant and thing
        self._written: defaultdict[NodeName, deque[datetime]] = defaultdict(deque)
        self._log = structlog.get_logger("doubts")

    async def put_holdings(self, holdings: Sequence[Holding]) -> None:
        at = self._clock.now()
        news = [one for one in holdings if one.thing.startswith(PROXY) and self._is_news(one)]
        bodies = [
            events.proxy_doubt(one.node, one.participant, one.thing, one.refusal, at)
            for one in news
            if self._has_room(one.node, at)
        ]
        if bodies:
            await self._table.append_audit(bodies, at)
        await self._table.put_holdings(holdings)

    async def drop_participants(self, node: NodeName, participants: Sequence[str]) -> None:
        gone = set(participants)
        self._doubted[node] = {key for key in self._doubted[node] if key[0] not in gone}
        await self._table.drop_participants(node, participants)

    async def holdings(self) -> Sequence[Holding]:
        return await self._table.holdings()

    async def put_hosting(self, node: NodeName, services: frozenset[ServiceName], at: datetime) -> None:
        await self._table.put_hosting(node, services, at)

    def _is_news(self, one: Holding) -> bool:
        """Whether it is in doubt now and was not, or the reverse; everything current is told again on each stream."""
        doubted, key = self._doubted[one.node], (one.participant, one.thing)
        if bool(one.refusal) == (key in doubted):
            return False
        (doubted.add if one.refusal else doubted.discard)(key)
        told = {"node": str(one.node), "participant": one.participant, "thing": one.thing}
        if one.refusal:
            self._log.warning("proxy in doubt", **told, why=one.refusal)
        else:
            self._log.info("proxy no longer in doubt", **told)
        return True

    def _has_room(self, node: NodeName, at: datetime) -> bool:
        written = self._written[node]
        while written and at - written[0] >= _HOUR:
            written.popleft()
        if len(written) >= EVENTS_AN_HOUR:
            return False
        written.append(at)
        return True
