"""What replicas share to stay out of each other's way: leases, and the sequence number of the published bundle."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, or_, select, update

from trustplane.registry.records import Lease
from trustplane.store.tables import bundle_sequence, leases
from trustplane.store.transaction import Transaction


def take_lease(transaction: Transaction, lease: Lease, at: datetime) -> bool:
    """One statement decides: free, expired at `at`, or the same holder's own, which is thereby prolonged."""
    statement = transaction.insert_or(leases)
    ours = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": statement.excluded.holder, "until": statement.excluded.until},
        where=or_(leases.c.holder == statement.excluded.holder, leases.c.until <= at),
    )
    return transaction.write(ours.values(name=lease.name, holder=lease.holder, until=lease.until)) == 1


def release_lease(transaction: Transaction, name: str, holder: str) -> None:
    transaction.write(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def next_bundle_sequence(transaction: Transaction, content_digest: str) -> int:
    only = bundle_sequence.c.id == 1
    row = transaction.read(select(bundle_sequence).where(only).with_for_update()).one()
    sequence: int = row.sequence
    if row.content_digest != content_digest:
        sequence += 1
        transaction.write(update(bundle_sequence).where(only).values(sequence=sequence, content_digest=content_digest))
    return sequence
