"""Handshakes: each failure a record, all counted by the hour; bounded for each service and in all, whatever nodes tell.

A parcel is taken whole or not at all, and once. Of a service that has as many records in an hour as are kept, further
ones are counted in the `times` of one of their kind; of one that has as many kinds, further ones are counted without
the peer they claim. What fits nowhere is told as lost.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, insert, select, update

from trustplane.handshake.delivery import Completed, HandshakeParcel
from trustplane.handshake.failure import Side
from trustplane.handshake.record_shape import decoded, encoded, standing_for
from trustplane.handshake.refusal import clients_end
from trustplane.handshake.stored import Counted, FailureKind, Stored
from trustplane.registry.parcels import Losses, Received
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store import parcel_streams, setups
from trustplane.store.handshake_tables import (
    handshake_failures,
    handshake_hours,
    handshake_streams,
    handshakes_completed,
)
from trustplane.store.transaction import Transaction

MOST_KINDS = 2000  # of one service in one hour
MOST_WITHOUT_PEERS = 500  # beside those
MOST_WHOLE = 5000  # records of one service in one hour, beside the first of each kind
MOST_RECORDS = 10_000_000  # in all
PRUNED_AT_ONCE = 10_000  # so that no writer waits long
PARTS = ("service", "node", "side", "signature", "cause", "rejecter", "peer", "issuer", "own_issuer", "build", "tls")
_ALL_PARTS = (*PARTS, "bundle", "revision")
_HOUR = timedelta(hours=1)
_Hours = dict[tuple[str, datetime], list[Stored]]


def put(transaction: Transaction, parcel: HandshakeParcel, failures: Sequence[Stored], at: datetime) -> Received:
    """`failures` are the parcel's, as far as the node is believed."""
    if not parcel_streams.moved(transaction, handshake_streams, parcel.id, parcel.losses, at):
        return Received(parcel_streams.number(transaction, handshake_streams, parcel.id), is_new=False)
    hours: _Hours = defaultdict(list)
    for one in failures:
        hours[str(one.kind.service), hour_of(one.reported.at)].append(one)
    adding = _Adding()
    for (service, hour), some in hours.items():
        adding.fit(_kept(transaction, service, hour), hour, some)
    _add_hours(transaction, adding)
    _add_records(transaction, adding.records)
    for (hour, kind), times in sorted(adding.folded.items()):
        _fold(transaction, kind, hour, times)
    parcel_streams.lose(transaction, handshake_streams, parcel.id, Losses(adding.dropped, sum(adding.folded.values())))
    _put_completed(transaction, parcel, hour_of(min(parcel.since, at)))
    setups.put(transaction, parcel.id.node, parcel.setups)
    return Received(parcel.id.number, is_new=True)


def kinds(
    connection: Connection, since: datetime, until: datetime, limit: int
) -> tuple[tuple[FailureKind, Counted], ...]:
    """From the beginning of that hour to the end of this one, those with most failures first."""
    of = handshake_hours.c
    failures = func.sum(of["count"]).label("failures")
    times = func.min(of.first).label("began"), func.max(of.last).label("ended")
    by_kind = select(of.kind, failures, *times, func.max(of.hour).label("newest")).where(*_within(since, until))
    largest = by_kind.group_by(of.kind).order_by(failures.desc(), of.kind).limit(limit).subquery()
    # A kind is the same in each of its hours: to group by all its parts would take three times as long.
    same = (of.hour == largest.c.newest) & (of.kind == largest.c.kind)
    asked = select(*(of[name] for name in _ALL_PARTS), largest.c.failures, largest.c.began, largest.c.ended)
    asked = asked.join_from(largest, handshake_hours, same).order_by(largest.c.failures.desc(), largest.c.kind)
    rows: Iterable[Row[Any]] = connection.execute(asked)
    return tuple((_kind(row), Counted(int(row.failures), row.began, row.ended)) for row in rows)


def records_within(connection: Connection, since: datetime, until: datetime, limit: int) -> int:
    """How many there are, as far as the limit."""
    at = handshake_failures.c["at"]
    some = select(handshake_failures.c.id).where(at >= since, at < until).limit(limit).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def total(connection: Connection, since: datetime, until: datetime) -> int:
    """All failures of the hours that `kinds` looks at."""
    asked = select(func.coalesce(func.sum(handshake_hours.c["count"]), 0)).where(*_within(since, until))
    return int(connection.execute(asked).scalar_one())


def by_hour(connection: Connection, since: datetime, until: datetime) -> dict[datetime, int]:
    """All failures of each of those hours that had any."""
    asked = select(handshake_hours.c.hour, func.sum(handshake_hours.c["count"])).where(*_within(since, until))
    return {hour: int(count) for hour, count in connection.execute(asked.group_by(handshake_hours.c.hour))}


def newest(connection: Connection, since: datetime, until: datetime, limit: int) -> tuple[Stored, ...]:
    at = handshake_failures.c["at"]
    asked = select(handshake_failures.c.record, handshake_failures.c.times).where(at >= since, at < until)
    return _records(connection.execute(asked.order_by(at.desc(), handshake_failures.c.id.desc()).limit(limit)))


def newest_of(
    connection: Connection, which: Iterable[bytes], since: datetime, until: datetime, each: int
) -> dict[bytes, tuple[Stored, ...]]:
    """Of each of these kinds."""
    at = handshake_failures.c["at"]
    asked = select(handshake_failures.c.record, handshake_failures.c.times).order_by(at.desc()).limit(each)
    found = {}
    for kind in which:
        within = (handshake_failures.c.kind == kind, at >= since, at < until)
        found[kind] = _records(connection.execute(asked.where(*within)))
    return found


def on_connections(
    connection: Connection, of: Sequence[Stored], since: datetime, until: datetime, limit: int
) -> tuple[Stored, ...]:
    """Records whose client has the address of one of these, themselves among them."""
    at, names = handshake_failures.c["at"], sorted({_connection(one) for one in of} - {b""})
    found: list[Stored] = []
    for start in range(0, len(names), 500):
        asked = select(handshake_failures.c.record, handshake_failures.c.times).where(
            handshake_failures.c.connection.in_(names[start : start + 500]), at >= since, at < until
        )
        found += _records(connection.execute(asked.limit(limit - len(found))))
    return tuple(found)


def completed(
    connection: Connection, since: datetime, until: datetime
) -> dict[tuple[NodeName, ServiceName, Side], int]:
    by = [handshakes_completed.c[name] for name in ("node", "service", "side")]
    within = (handshakes_completed.c.hour >= hour_of(since), handshakes_completed.c.hour < until)
    asked = select(*by, func.sum(handshakes_completed.c["count"]).label("handshakes")).where(*within).group_by(*by)
    rows: Iterable[Row[Any]] = connection.execute(asked)
    return {(NodeName(row.node), ServiceName.parse(row.service), Side(row.side)): int(row.handshakes) for row in rows}


def losses(connection: Connection, since: datetime) -> dict[NodeName, Losses]:
    return parcel_streams.losses(connection, handshake_streams, since)


def prune(transaction: Transaction, records_before: datetime, hours_before: datetime) -> int:
    """How many records went: whole hours, the oldest first, so many at once; also beyond those that are kept in all."""
    for table in (handshake_hours, handshakes_completed):
        transaction.write(delete(table).where(table.c.hour < hour_of(hours_before)))
    setups.prune(transaction, records_before)
    parcel_streams.forget_before(transaction, handshake_streams, hours_before)
    while True:
        ends = _kept_from(transaction, hour_of(records_before))
        at = handshake_failures.c["at"]
        oldest = select(handshake_failures.c.id).where(at < ends).order_by(at).limit(PRUNED_AT_ONCE)
        gone = transaction.write(delete(handshake_failures).where(handshake_failures.c.id.in_(oldest)))
        if gone == PRUNED_AT_ONCE:
            return gone
        # The hours go on counting what is not there any more.
        there = (handshake_hours.c.hour < ends, handshake_hours.c.kept > 0)
        if gone or not transaction.write(update(handshake_hours).where(*there).values(kept=0)):
            return gone


def _kept_from(transaction: Transaction, hour: datetime) -> datetime:
    """From when on records are kept; an hour later than they are now, while there are too many."""
    of = handshake_hours.c
    asked = select(func.min(of.hour).label("oldest"), func.sum(of.kept).label("records")).where(of.kept > 0)
    row = transaction.read(asked).mappings().one()
    is_too_much = int(row["records"] or 0) > MOST_RECORDS
    return max(hour, row["oldest"] + _HOUR) if is_too_much else hour


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _within(since: datetime, until: datetime) -> tuple[Any, Any]:
    return handshake_hours.c.hour >= hour_of(since), handshake_hours.c.hour < until


def _kept(transaction: Transaction, service: str, hour: datetime) -> dict[bytes, int]:
    """How many records there are of each kind."""
    which = (handshake_hours.c.service == service, handshake_hours.c.hour == hour)
    rows = transaction.read(select(handshake_hours.c.kind, handshake_hours.c.kept).where(*which))
    return {bytes(row.kind): int(row.kept) for row in rows}


class _Adding:
    """What of a parcel becomes a record, what is counted only, and what fits nowhere."""

    def __init__(self) -> None:
        self.counts: dict[tuple[datetime, FailureKind], list[Stored]] = defaultdict(list)
        self.records: list[Stored] = []
        self.folded: dict[tuple[datetime, bytes], int] = defaultdict(int)
        self.dropped = 0

    def fit(self, kept: dict[bytes, int], hour: datetime, some: Sequence[Stored]) -> None:
        """Failures of one service and hour, beside those that are kept of it."""
        whole = sum(kept.values())
        for one in some:
            kind = _fitting(one.kind, kept)
            if kind is None:
                self.dropped += one.reported.failure.times
                continue
            self.counts[hour, kind].append(one)
            if kept.get(kind.id) and whole >= MOST_WHOLE:
                self.folded[hour, kind.id] += one.reported.failure.times
                continue
            kept[kind.id] = kept.get(kind.id, 0) + 1
            whole += 1
            self.records.append(one if kind is one.kind else Stored(one.node, one.reported, kind, one.refusal))


def _fitting(kind: FailureKind, kept: Mapping[bytes, int]) -> FailureKind | None:
    if kind.id in kept or len(kept) < MOST_KINDS:
        return kind
    bare = kind.without_peer()
    return bare if bare.id in kept or len(kept) < MOST_KINDS + MOST_WITHOUT_PEERS else None


def _add_records(transaction: Transaction, records: Sequence[Stored]) -> None:
    if records:
        transaction.write(insert(handshake_failures), [_row(one) for one in records])


def _row(one: Stored) -> dict[str, Any]:
    times = one.reported.failure.times
    told = {"at": one.reported.at, "kind": one.kind.id, "connection": _connection(one), "times": times}
    return {**told, "record": encoded(one)}


def connection_of(clients_address: str) -> bytes:
    return hashlib.sha256(clients_address.encode()).digest()[:8] if clients_address else b""


def _connection(one: Stored) -> bytes:
    return connection_of(clients_end(one.reported.failure))


def _fold(transaction: Transaction, kind: bytes, hour: datetime, times: int) -> None:
    """Into the newest record of that kind and hour."""
    at = handshake_failures.c["at"]
    newest_one = select(func.max(handshake_failures.c.id)).where(
        handshake_failures.c.kind == kind, at >= hour, at < hour + _HOUR
    )
    which = update(handshake_failures).where(handshake_failures.c.id == newest_one.scalar_subquery())
    transaction.write(which.values(times=handshake_failures.c.times + times))


def _add_hours(transaction: Transaction, adding: _Adding) -> None:
    if not adding.counts:
        return
    statement = transaction.insert_or(handshake_hours)
    old, new = handshake_hours.c, statement.excluded
    merged = {
        **{name: old[name] + new[name] for name in ("count", "kept")},
        "first": _lesser(new.first < old.first, new.first, old.first),
        "last": _lesser(new.last > old.last, new.last, old.last),
    }
    whole = Counter((hour_of(one.reported.at), one.kind.id) for one in adding.records)
    rows = [_hour_row(hour, kind, some, whole[hour, kind.id]) for (hour, kind), some in adding.counts.items()]
    # In one order everywhere: two replicas that lock rows in different orders would wait for each other.
    rows.sort(key=lambda row: (row["hour"], row["kind"]))
    transaction.write(statement.on_conflict_do_update(index_elements=["hour", "kind"], set_=merged), rows)


def _hour_row(hour: datetime, kind: FailureKind, some: Sequence[Stored], whole: int) -> dict[str, Any]:
    times = [one.reported.at for one in some]
    count = sum(one.reported.failure.times for one in some)
    told = {"count": count, "kept": whole, "first": min(times), "last": max(times)}
    return {"hour": hour, "kind": kind.id, **parts_of(kind), **told}


def parts_of(kind: FailureKind) -> dict[str, str | int]:
    """As columns."""
    parts = {name: str(getattr(kind, name)) for name in ("service", "node", *PARTS[3:5], *PARTS[6:], "bundle")}
    sides = {"side": kind.side.value, "rejecter": kind.rejecter.value if kind.rejecter else ""}
    return {**parts, **sides, "revision": kind.revision}


def _lesser(condition: Any, this: Any, that: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's expressions
    return case((condition, this), else_=that)


def _put_completed(transaction: Transaction, parcel: HandshakeParcel, hour: datetime) -> None:
    rows = [
        _completed_row(hour, parcel.id.node, parcel.completed, which) for which in sorted(parcel.completed, key=str)
    ]
    if rows:
        statement = transaction.insert_or(handshakes_completed)
        more = {"count": handshakes_completed.c["count"] + statement.excluded["count"]}
        names = ["hour", "node", "service", "side"]
        transaction.write(statement.on_conflict_do_update(index_elements=names, set_=more), rows)


def _completed_row(hour: datetime, node: NodeName, told: Completed, of: tuple[ServiceName, Side]) -> dict[str, Any]:
    return {"hour": hour, "node": node.name, "service": str(of[0]), "side": of[1].value, "count": told[of]}


def _records(rows: Iterable[Row[Any]]) -> tuple[Stored, ...]:
    return tuple(standing_for(decoded(bytes(row.record)), int(row.times)) for row in rows)


def _kind(row: Row[Any]) -> FailureKind:
    return FailureKind(
        service=ServiceName.parse(row.service),
        node=NodeName(row.node),
        side=Side(row.side),
        signature=row.signature,
        cause=row.cause,
        rejecter=Side(row.rejecter) if row.rejecter else None,
        **{name: getattr(row, name) for name in (*PARTS[6:], "bundle")},
        revision=int(row.revision),
    )
