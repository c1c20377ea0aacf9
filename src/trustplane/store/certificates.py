"""One row for each signed leaf, written together with the audit log's word on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from trustplane.fault import Refused
from trustplane.issuance.record import IssuedCertificate, Purpose, RenewalFigures
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.store.columns import fits_serial
from trustplane.store.tables import certificates
from trustplane.store.transaction import Transaction
from trustplane.trust.authority import AuthorityId

PRUNED_AT_ONCE = 2000
ASKED_AT_ONCE = 100
SERIALS_AT_ONCE = 500  # SQLite binds so many, and an index finds each
RECENT = 8  # of one ID on one node; two live at a time where all goes well
_ADD = insert(certificates)


def record(
    transaction: Transaction, issued: Sequence[IssuedCertificate], bodies: Sequence[bytes], at: datetime
) -> None:
    """The unique index decides about a serial number; it is asked only to say which one it refused."""
    serials = Counter(one.serial for one in issued)
    if not transaction.in_haste or len(serials) != len(issued):
        taken = {serial for serial, times in serials.items() if times > 1}
        query = select(certificates.c.serial).where(certificates.c.serial.in_(list(serials)))
        taken.update(transaction.read(query).scalars())
        if taken:
            raise _serial_taken(taken)
    transaction.write_later(_ADD, [_row(one) for one in issued])
    transaction.append_audit(bodies, at)


def get(connection: Connection, serial: int) -> IssuedCertificate | None:
    if not fits_serial(serial):
        return None
    row = connection.execute(select(certificates).where(certificates.c.serial == serial)).first()
    return None if row is None else _certificate(row)


def with_serials(connection: Connection, serials: Collection[int]) -> tuple[IssuedCertificate, ...]:
    """Those that are there, in no order."""
    asked = sorted(filter(fits_serial, set(serials)))
    found: list[IssuedCertificate] = []
    for start in range(0, len(asked), SERIALS_AT_ONCE):
        some = certificates.c.serial.in_(asked[start : start + SERIALS_AT_ONCE])
        found += map(_certificate, connection.execute(select(certificates).where(some)))
    return tuple(found)


def of(connection: Connection, spiffe_id: SpiffeId, limit: int) -> tuple[IssuedCertificate, ...]:
    """The newest first."""
    theirs = select(certificates).where(certificates.c.spiffe_id == str(spiffe_id))
    ordered = theirs.order_by(certificates.c.issued_at.desc(), certificates.c.id.desc()).limit(limit)
    return tuple(_certificate(row) for row in connection.execute(ordered))


def alive(connection: Connection, spiffe_id: SpiffeId, now: datetime) -> tuple[IssuedCertificate, ...]:
    theirs = select(certificates).where(certificates.c.spiffe_id == str(spiffe_id), certificates.c.not_after > now)
    return tuple(_certificate(row) for row in connection.execute(theirs.order_by(certificates.c.id)))


def newest(connection: Connection, now: datetime) -> tuple[IssuedCertificate, ...]:
    """The newest of each SPIFFE ID and node, among those that have not expired."""
    ranked = _ranked(now).subquery()
    chosen = select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.spiffe_id, ranked.c.node)
    return tuple(_certificate(row) for row in connection.execute(chosen))


def recent(
    connection: Connection, whose: Sequence[tuple[SpiffeId, NodeName]], now: datetime
) -> tuple[IssuedCertificate, ...]:
    """The newest few of each of those, among those that have not expired."""
    wanted = sorted(set(whose))
    found: list[IssuedCertificate] = []
    for start in range(0, len(wanted), ASKED_AT_ONCE):
        some = frozenset(wanted[start : start + ASKED_AT_ONCE])
        # Not as pairs: SQLite would read all that live instead of following the index of the IDs.
        theirs = _ranked(now).where(
            certificates.c.spiffe_id.in_({str(spiffe_id) for spiffe_id, _ in some}),
            certificates.c.node.in_({node.name for _, node in some}),
        )
        ranked = theirs.subquery()
        chosen = (
            select(ranked).where(ranked.c.rank <= RECENT).order_by(ranked.c.spiffe_id, ranked.c.node, ranked.c.rank)
        )
        rows = map(_certificate, connection.execute(chosen))
        found += (one for one in rows if (one.spiffe_id, one.node) in some)
    return tuple(found)


def last_ends(connection: Connection, now: datetime) -> dict[AuthorityId, datetime]:
    """When the last certificate of each authority ends, but for probes; without those all of whose are expired."""
    lasting = select(certificates.c.authority, func.max(certificates.c.not_after)).where(
        certificates.c.not_after > now, certificates.c.purpose != Purpose.PROBE.value
    )
    rows = connection.execute(lasting.group_by(certificates.c.authority))
    return {AuthorityId(authority): ends for authority, ends in rows}


def count_expiring(connection: Connection, now: datetime, before: datetime) -> int:
    """How many of the newest expire before that instant: whoever holds one has not renewed."""
    ranked = _ranked(now).subquery()
    count = select(func.count()).select_from(ranked).where(ranked.c.rank == 1, ranked.c.not_after < before)
    return connection.execute(count).scalar_one()


def renewals(connection: Connection, now: datetime) -> RenewalFigures:
    ranked = _ranked(now).subquery()
    late = func.count().filter(ranked.c.renew_at < now)
    living, overdue = connection.execute(select(func.count(), late).select_from(ranked).where(ranked.c.rank == 1)).one()
    lately = certificates.c.issued_at > now - timedelta(hours=1), certificates.c.purpose != Purpose.PROBE.value
    # Who was issued an hour ago and has expired since still lies in the index of ends.
    issued = select(func.count()).select_from(certificates).where(certificates.c.not_after > now - timedelta(hours=1))
    return RenewalFigures(living, overdue, connection.execute(issued.where(*lately)).scalar_one())


def prune(transaction: Transaction, expired_before: datetime) -> int:
    """A bounded number at a time, so that issuing goes on in between."""
    old = select(certificates.c.id).where(certificates.c.not_after < expired_before).limit(PRUNED_AT_ONCE)
    return transaction.write(delete(certificates).where(certificates.c.id.in_(old)))


def _ranked(now: datetime) -> Select[Any]:
    newest_first = func.row_number().over(
        partition_by=(certificates.c.spiffe_id, certificates.c.node),
        order_by=(certificates.c.issued_at.desc(), certificates.c.id.desc()),
    )
    lasting = certificates.c.purpose != Purpose.PROBE.value
    return select(certificates, newest_first.label("rank")).where(certificates.c.not_after > now, lasting)


def _row(one: IssuedCertificate) -> dict[str, object]:
    return {
        "serial": one.serial,
        "spiffe_id": str(one.spiffe_id),
        "purpose": one.purpose.value,
        "node": one.node.name,
        "profile": one.profile,
        "authority": one.authority.hex,
        "not_before": one.not_before,
        "not_after": one.not_after,
        "renew_at": one.renew_at,
        "issued_at": one.issued_at,
        "leaf": one.leaf,
    }


def _certificate(row: Row[Any]) -> IssuedCertificate:
    return IssuedCertificate(
        serial=row.serial,
        spiffe_id=SpiffeId.parse(row.spiffe_id),
        purpose=Purpose(row.purpose),
        node=NodeName(row.node),
        profile=row.profile,
        authority=AuthorityId(row.authority),
        not_before=row.not_before,
        not_after=row.not_after,
        renew_at=row.renew_at,
        issued_at=row.issued_at,
        leaf=row.leaf,
    )


def _serial_taken(serials: set[int]) -> Refused:
    named = ", ".join(f"{serial:032x}" for serial in sorted(serials)[:10])
    return Refused(
        code="serial-taken",
        what=f"serial numbers already in use: {named}",
        why="a serial number names one certificate; nothing of this batch was written",
        fix="sign again with fresh serial numbers",
    )
