"""Reading the audit log, and the signed checkpoints over it."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier
from trustplane.store.audit_tail import frontier_of
from trustplane.store.tables import audit_entries, audit_head, checkpoints
from trustplane.store.transaction import Transaction

_NEWEST_FIRST = (checkpoints.c.size.desc(), checkpoints.c.id.desc())


def head(connection: Connection) -> Frontier:
    row = connection.execute(select(audit_head.c.size, audit_head.c.frontier).where(audit_head.c.id == 1)).one()
    return frontier_of(row.size, row.frontier)


def entries(connection: Connection, start: int, limit: int) -> list[AuditEntry]:
    index = audit_entries.c.index
    wanted = select(index, audit_entries.c.body, audit_entries.c.leaf_hash)
    some = wanted.where(index >= start).order_by(index).limit(limit)
    return [AuditEntry(row[0], row.body, row.leaf_hash) for row in connection.execute(some)]


def put_checkpoint(transaction: Transaction, note: str, size: int) -> None:
    """The same note twice is kept once."""
    same = select(checkpoints.c.id).where(checkpoints.c.size == size, checkpoints.c.note == note)
    if transaction.read(same).first() is None:
        transaction.write(insert(checkpoints), {"size": size, "note": note})


def newest_checkpoints(connection: Connection, limit: int) -> list[str]:
    return list(connection.execute(select(checkpoints.c.note).order_by(*_NEWEST_FIRST).limit(limit)).scalars())
