"""The part of a store that knows handshakes; whoever has the store has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.failure import Side
from trustplane.handshake.setup import StoredSetup
from trustplane.handshake.stored import Counted, FailureKind, Stored
from trustplane.registry.parcels import Losses, Received
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store import handshakes, setups
from trustplane.store.database import Database


class StoredHandshakes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_handshakes(self, parcel: HandshakeParcel, failures: Sequence[Stored], at: datetime) -> Received:
        """Once, however often it comes. `failures`: of the parcel, what is believed, recognised."""
        return await self._database.write(lambda to: handshakes.put(to, parcel, failures, at))

    async def failure_kinds(
        self, since: datetime, until: datetime, limit: int
    ) -> Sequence[tuple[FailureKind, Counted]]:
        """From the beginning of that hour to the end of this one, those with most failures first."""
        return await self._database.read(lambda at: handshakes.kinds(at, since, until, limit))

    async def failures_counted(self, since: datetime, until: datetime) -> int:
        """All of those hours."""
        return await self._database.read(lambda at: handshakes.total(at, since, until))

    async def failures_by_hour(self, since: datetime, until: datetime) -> Mapping[datetime, int]:
        """Of those hours, the ones that had any."""
        return await self._database.read(lambda at: handshakes.by_hour(at, since, until))

    async def failure_records(self, since: datetime, until: datetime, limit: int) -> int:
        """How many whole records there are, as far as the limit."""
        return await self._database.read(lambda at: handshakes.records_within(at, since, until, limit))

    async def failures(self, since: datetime, until: datetime, limit: int) -> Sequence[Stored]:
        """The newest first. Their `times` add up to all there were, while no more than `limit` are kept."""
        return await self._database.read(lambda at: handshakes.newest(at, since, until, limit))

    async def failures_of(
        self, kinds: Iterable[bytes], since: datetime, until: datetime, each: int
    ) -> Mapping[bytes, Sequence[Stored]]:
        """The newest of each kind, by the kind's id."""
        return await self._database.read(lambda at: handshakes.newest_of(at, kinds, since, until, each))

    async def failures_beside(
        self, of: Sequence[Stored], since: datetime, until: datetime, limit: int
    ) -> Sequence[Stored]:
        """All records of the connections that these are of."""
        return await self._database.read(lambda at: handshakes.on_connections(at, of, since, until, limit))

    async def handshakes_completed(
        self, since: datetime, until: datetime
    ) -> Mapping[tuple[NodeName, ServiceName, Side], int]:
        """By the hour, as the sidecar of each service counted them on each side."""
        return await self._database.read(lambda at: handshakes.completed(at, since, until))

    async def sidecar_setups(self, since: datetime, until: datetime, limit: int) -> Sequence[StoredSetup]:
        """Of sidecars that are hosted: what each was when that time began, and how that changed; the oldest first. Of
        more changes than `limit`, the newest."""
        return await self._database.read(lambda at: setups.since(at, since, until, limit))

    async def handshake_losses(self, since: datetime) -> Mapping[NodeName, Losses]:
        """Of nodes that delivered since then."""
        return await self._database.read(lambda at: handshakes.losses(at, since))

    async def prune_handshakes(self, records_before: datetime, hours_before: datetime) -> int:
        """A portion; to be asked again until it is 0."""
        return await self._database.write(lambda to: handshakes.prune(to, records_before, hours_before))
