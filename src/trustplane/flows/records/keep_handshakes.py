"""What nodes tell of their proxies' handshakes: each failure recognised and kept, all counted by the hour.

A node is believed about services that it may run, and about times that can be. Whole records are kept for two weeks,
or until there are ten million (the oldest leave first); the hours that count them for thirty days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.handshake.delivery import Completed, HandshakeParcel
from trustplane.handshake.failure import Side
from trustplane.handshake.reported import Reported
from trustplane.handshake.stored import Stored, stored
from trustplane.registry.model import DesiredState
from trustplane.registry.parcels import Losses, Received
from trustplane.spiffe.names import NodeName, ServiceName

RECORDS_KEPT_FOR = timedelta(days=14)
KEPT_FOR = timedelta(days=30)
AHEAD = timedelta(minutes=5)  # that a node's clock may be
MOST_LABELS = 200
OTHER, UNKNOWN = "other", "unknown"
PRUNED_EVERY = timedelta(minutes=10)


class Store(Protocol):
    async def put_handshakes(self, parcel: HandshakeParcel, failures: Sequence[Stored], at: datetime) -> Received: ...

    async def prune_handshakes(self, records_before: datetime, hours_before: datetime) -> int: ...


class Declared(Protocol):
    def declared(self) -> DesiredState: ...


class HandshakeCounts:
    """Since this server started, of parcels that it took. What a caller makes up is in no label."""

    def __init__(self) -> None:
        self.failures: dict[tuple[str, str, str], int] = {}  # by signature, cause and side
        self.completed = {side.value: 0 for side in Side}

    def add(self, failures: Sequence[Stored], completed: Completed) -> None:
        for one in failures:
            kind = one.kind
            labels = (_named(kind.signature), kind.cause, kind.side.value)
            if labels not in self.failures and len(self.failures) >= MOST_LABELS:
                labels = (OTHER, OTHER, kind.side.value)
            self.failures[labels] = self.failures.get(labels, 0) + one.reported.failure.times
        for (_, side), count in completed.items():
            self.completed[side.value] += count


def _named(signature: str) -> str:
    """Unknown texts have an id each, without end."""
    return UNKNOWN if signature.startswith(f"{UNKNOWN}-") else signature


class KeepHandshakes:
    """Satisfies `wire.node_service.Handshakes`."""

    def __init__(self, store: Store, desired: Declared, clock: Clock) -> None:
        self._store = store
        self._desired = desired
        self._clock = clock
        self._log = structlog.get_logger("handshakes")
        self.counts = HandshakeCounts()

    async def keep(self, parcel: HandshakeParcel) -> int:
        at = self._clock.now()
        told = believed(self._desired.declared(), parcel, at)
        failures = [stored(parcel.id.node, one) for one in told.failures]
        received = await self._store.put_handshakes(told, failures, at)
        if received.is_new:
            self.counts.add(failures, told.completed)
        return received.number

    async def run(self) -> None:
        while True:
            try:
                await self._prune()
            except Unavailable as fault:
                self._log.warning("old handshakes not let go", code=fault.code, what=fault.finding.what)
            await self._clock.sleep(PRUNED_EVERY)

    async def _prune(self) -> None:
        at, gone = self._clock.now(), 0
        while portion := await self._store.prune_handshakes(at - RECORDS_KEPT_FOR, at - KEPT_FOR):
            gone += portion
        if gone:
            self._log.info("old handshakes let go", records=gone)


def believed(state: DesiredState, parcel: HandshakeParcel, at: datetime) -> HandshakeParcel:
    """Without what the node may not speak of; that is counted as lost."""
    failures: list[Reported] = []
    lost = 0
    for one in parcel.failures:
        if _may_run(state, parcel.id.node, one.service) and one.at >= at - RECORDS_KEPT_FOR:
            failures.append(_possible(one, at + AHEAD))
        else:
            lost += one.failure.times
    completed = {of: count for of, count in parcel.completed.items() if _may_run(state, parcel.id.node, of[0])}
    losses = Losses(parcel.losses.dropped + lost, parcel.losses.folded)
    own = (one for one in parcel.setups if _may_run(state, parcel.id.node, one.service))
    setups = tuple(replace(one, at=min(one.at, at)) for one in own if one.at >= at - RECORDS_KEPT_FOR)
    return replace(parcel, failures=tuple(failures), completed=completed, losses=losses, setups=setups)


def _may_run(state: DesiredState, node: NodeName, name: ServiceName) -> bool:
    service = state.services.get(name)
    return service is not None and (not service.nodes or node in service.nodes)


def _possible(one: Reported, latest: datetime) -> Reported:
    return one if one.at <= latest else replace(one, failure=replace(one.failure, at=latest))
