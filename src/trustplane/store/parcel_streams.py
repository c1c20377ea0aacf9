"""How far each node's parcels were taken, and what nodes said they had lost. One table for each sort of parcel.

The number of a stream moves in the transaction that adds what the parcel tells, so that a parcel is taken once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Select, Table, delete, func, select

from trustplane.registry.parcels import NONE_LOST, Losses, ParcelId
from trustplane.spiffe.names import NodeName
from trustplane.store.transaction import Transaction

STREAMS = 32  # of one node; it begins one with each start


def moved(transaction: Transaction, table: Table, parcel: ParcelId, losses: Losses, at: datetime) -> bool:
    """First, and with the row locked, so that two servers that are sent the same parcel take it once."""
    statement = transaction.insert_or(table)
    new: dict[str, Any] = {"number": statement.excluded.number, "at": statement.excluded["at"]}
    new |= {name: table.c[name] + statement.excluded[name] for name in ("dropped", "folded")}
    later = table.c.number < statement.excluded.number
    statement = statement.on_conflict_do_update(index_elements=["node", "stream"], set_=new, where=later)
    lost = {"dropped": losses.dropped, "folded": losses.folded}
    told = {"node": parcel.node.name, "stream": parcel.stream, "number": parcel.number, "at": at, **lost}
    if not transaction.write(statement, told):
        return False
    _forget(transaction, table, parcel.node)
    return True


def number(transaction: Transaction, table: Table, parcel: ParcelId) -> int:
    """The highest of that stream that was taken."""
    which = (table.c.node == parcel.node.name, table.c.stream == parcel.stream)
    return int(transaction.read(select(table.c.number).where(*which)).scalar_one())


def lose(transaction: Transaction, table: Table, parcel: ParcelId, lost: Losses) -> None:
    """Beside what the node said."""
    which = (table.c.node == parcel.node.name, table.c.stream == parcel.stream)
    more = {"dropped": table.c.dropped + lost.dropped, "folded": table.c.folded + lost.folded}
    if lost != NONE_LOST:
        transaction.write(table.update().where(*which).values(**more))


def losses(connection: Connection, table: Table, since: datetime) -> dict[NodeName, Losses]:
    """What nodes that delivered since then have lost."""
    by, sums = table.c.node, [func.sum(table.c[name]) for name in ("dropped", "folded")]
    rows = connection.execute(select(by, *sums).where(table.c.at >= since).group_by(by))
    return {NodeName(node): Losses(int(dropped), int(folded)) for node, dropped, folded in rows}


def dropped(table: Table, rows_of: Callable[[Select[Any]], CursorResult[Any]]) -> dict[str, int]:
    """What each stream has lost in its life, by node and stream."""
    rows = rows_of(select(table.c.node, table.c.stream, table.c["dropped"]).where(table.c["dropped"] > 0))
    return {f"{one.node}/{one.stream}": int(one.dropped) for one in rows}


def forget_before(transaction: Transaction, table: Table, before: datetime) -> None:
    transaction.write(delete(table).where(table.c.at < before))


def _forget(transaction: Transaction, table: Table, node: NodeName) -> None:
    newest = select(table.c.stream).where(table.c.node == node.name)
    newest = newest.order_by(table.c["at"].desc(), table.c.stream).limit(STREAMS)
    transaction.write(delete(table).where(table.c.node == node.name, table.c.stream.not_in(newest)))
