"""The handshakes of this node's proxies, gathered into parcels for the server: failures whole, successes counted.

A failure is told with what the agent had given its proxy by then. So many are kept whole in a minute, and beyond those
the first of each shape; more of a shape are counted in the `times` of the last of it. What fits nowhere is counted as
dropped, and so is what no agent took. One connection whose requests all fail has failed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.records.parcels import ParcelsInTurn, Spool
from trustplane.handshake.delivery import MOST_COMPLETED, MOST_FAILURES, MOST_SETUPS, HandshakeParcel
from trustplane.handshake.failure import Claims, Failure, Side
from trustplane.handshake.recognise import shape
from trustplane.handshake.reported import Held, Reported
from trustplane.handshake.setup import Became
from trustplane.handshake.told import Told, failure_of, given, shown
from trustplane.registry.parcels import NONE_LOST, Losses, ParcelId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.xds.access_log import PEER_CERTIFICATE

MOST_WHOLE = 300  # in a minute
MINUTE = timedelta(minutes=1)
MOST_CONNECTIONS = 5000  # that are known to have failed in this parcel

HeldBy = Callable[[ServiceName, datetime], tuple[Held, Claims]]
_Shape = tuple[ServiceName, Side | None, str, str, str, str]


class CollectHandshakes:
    """Satisfies `wire.access_logs.Failures`."""

    def __init__(self, node: NodeName, stream: str, held: HeldBy, spool: Spool[HandshakeParcel], clock: Clock) -> None:
        """`held`: what the agent had given a sidecar by then, and its certificate."""
        self._held = held
        self._clock = clock
        self._log = structlog.get_logger("handshakes")
        self._whole = 0
        self._minute = clock.now()
        self.counted = {Side.CLIENT: 0, Side.SERVER: 0}
        self.unread = 0
        self.folded = 0
        self.dropped = 0
        self.missed = 0
        self.begin()
        self._turn = ParcelsInTurn[HandshakeParcel](node, stream, self, spool, clock)

    async def run(self) -> None:
        await self._turn.run()

    async def keep(self) -> None:
        await self._turn.keep()

    async def close(self) -> None:
        await self._turn.close()

    def begin(self) -> None:
        self._failures: list[Reported] = []
        self._last: dict[_Shape, int] = {}  # its place among them
        self._connections: set[tuple[ServiceName, str, str]] = set()
        self._completed: dict[tuple[ServiceName, Side], int] = {}
        self._losses = NONE_LOST
        self._setups: list[Became] = []

    def packed(self, parcel: ParcelId, since: datetime) -> HandshakeParcel:
        return HandshakeParcel(
            parcel, since, tuple(self._failures), dict(self._completed), self._losses, tuple(self._setups)
        )

    def failed(self, service: ServiceName, told: Told) -> None:
        found = failure_of(told)
        if found is None:
            self.unread += 1
            return
        if self._is_known(service, found):
            return
        self.counted[found.side or Side.SERVER] += 1
        alike = _shape(service, found)
        if self._has_room(alike):
            self._add(service, found, told, alike)
        elif alike in self._last:
            self._fold(self._last[alike])
        else:
            self.lose(1)
        self._turn.changed(prompt=True)

    def completed(self, service: ServiceName, side: Side, count: int) -> None:
        of = (service, side)
        if count > 0 and (of in self._completed or len(self._completed) < MOST_COMPLETED):
            self._completed[of] = self._completed.get(of, 0) + count
            self._turn.changed()

    def became(self, one: Became) -> bool:
        """Soon, so that failures are not compared with what sidecars were before."""
        if len(self._setups) >= MOST_SETUPS:
            return False
        self._setups.append(one)
        self._turn.changed(prompt=True)
        return True

    def lose(self, count: int) -> None:
        if not self.dropped:
            self._log.warning("failed handshakes that could not be kept are counted only", failures=count)
        self.dropped += count
        self._tell_lost(count)

    def miss(self, count: int) -> None:
        """Proxies wrote so many entries that nobody took."""
        self.missed += count
        self._tell_lost(count)
        self._turn.changed(prompt=True)

    def _tell_lost(self, count: int) -> None:
        self._losses = Losses(self._losses.dropped + count, self._losses.folded)
        self._turn.changed()

    def _is_known(self, service: ServiceName, found: Failure) -> bool:
        """Every request of a connection that broke has an entry of its own."""
        if found.side is not Side.CLIENT or not found.local:
            return False
        one = (service, found.local, found.peer)
        if one in self._connections:
            return True
        if len(self._connections) < MOST_CONNECTIONS:
            self._connections.add(one)
        return False

    def _has_room(self, alike: _Shape) -> bool:
        if self._clock.now() - self._minute >= MINUTE:
            self._minute, self._whole = self._clock.now(), 0
        is_whole = self._whole < MOST_WHOLE or alike not in self._last
        return is_whole and len(self._failures) < MOST_FAILURES

    def _add(self, service: ServiceName, found: Failure, told: Told, alike: _Shape) -> None:
        held, ours = self._held(service, found.at or self._clock.now())
        theirs = shown(found.theirs, told.fields.get(PEER_CERTIFICATE, ""))
        ours = given(found.ours, ours)
        try:
            self._failures.append(Reported(service, replace(found, theirs=theirs, ours=ours), held))
        except Refused:
            self.unread += 1
            return
        self._whole += 1
        self._last[alike] = len(self._failures) - 1

    def _fold(self, place: int) -> None:
        one = self._failures[place]
        self._failures[place] = replace(one, failure=replace(one.failure, times=one.failure.times + 1))
        self.folded += 1
        self._losses = Losses(self._losses.dropped, self._losses.folded + 1)


def _shape(service: ServiceName, one: Failure) -> _Shape:
    """Whom the other side claims to be is no part: whoever makes names up must not make shapes up."""
    return (service, one.side, shape(one.text), one.flags, one.details, one.tls.value if one.tls else "")
