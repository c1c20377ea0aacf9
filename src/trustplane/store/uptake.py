"""What participants hold, by node, participant and thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, func, or_, select, tuple_

from trustplane.registry.records import Holding
from trustplane.registry.uptake import MOST_OTHERWISE, VIEW, Uptake
from trustplane.spiffe.names import NodeName
from trustplane.store.tables import holdings
from trustplane.store.transaction import Transaction

_KEY = ("node", "participant", "thing")
_REST = ("desired", "held", "refusal", "since")


def put(transaction: Transaction, reported: Sequence[Holding]) -> None:
    newest = {(one.node, one.participant, one.thing): one for one in reported}
    if not newest:
        return
    statement = transaction.insert_or(holdings)
    new = {name: statement.excluded[name] for name in _REST}
    # In one order everywhere: two replicas that lock rows in different orders would wait for each other.
    rows = [_row(newest[key]) for key in sorted(newest)]
    transaction.write(statement.on_conflict_do_update(index_elements=_KEY, set_=new), rows)


def everything(connection: Connection) -> tuple[Holding, ...]:
    ordered = select(holdings).order_by(*(holdings.c[name] for name in _KEY))
    return tuple(_holding(row) for row in connection.execute(ordered))


def figures(connection: Connection) -> Uptake:
    """Of everything but views: what those should hold is not in the database. Counted where the rows are."""
    others = holdings.c.thing != VIEW
    differs = holdings.c.held != holdings.c.desired
    otherwise = or_(differs, holdings.c.refusal != "")
    counted = select(func.count(), func.sum(case((differs, 1), else_=0)), func.sum(case((otherwise, 1), else_=0)))
    everything, differing, apart = connection.execute(counted.select_from(holdings).where(others)).one()
    ordered = select(holdings).where(others, otherwise).order_by(*(holdings.c[name] for name in _KEY))
    shown = tuple(_holding(row) for row in connection.execute(ordered.limit(MOST_OTHERWISE)))
    return Uptake(everything - (differing or 0), differing or 0, shown, (apart or 0) - len(shown))


def views(connection: Connection) -> tuple[Holding, ...]:
    found = select(holdings).where(holdings.c.thing == VIEW).order_by(holdings.c.node)
    return tuple(_holding(row) for row in connection.execute(found))


def about(connection: Connection, participant: str, thing: str, limit: int) -> tuple[Holding, ...]:
    """What one participant holds, wherever it is, and who holds one thing. What differs comes first."""
    found = select(holdings).where(or_(holdings.c.participant == participant, holdings.c.thing == thing))
    apart = case((and_(holdings.c.held == holdings.c.desired, holdings.c.refusal == ""), 1), else_=0)
    ordered = found.order_by(apart, *(holdings.c[name] for name in _KEY)).limit(limit)
    return tuple(_holding(row) for row in connection.execute(ordered))


def drop_participants(transaction: Transaction, node: NodeName, participants: Sequence[str]) -> None:
    gone = [(node.name, participant) for participant in sorted(set(participants))]
    for start in range(0, len(gone), 500):
        some = tuple_(holdings.c.node, holdings.c.participant).in_(gone[start : start + 500])
        transaction.write(delete(holdings).where(some))


def _row(one: Holding) -> dict[str, object]:
    return {
        "node": one.node.name,
        "participant": one.participant,
        "thing": one.thing,
        "desired": one.desired,
        "held": one.held,
        "refusal": one.refusal,
        "since": one.since,
    }


def _holding(row: Row[Any]) -> Holding:
    return Holding(NodeName(row.node), row.participant, row.thing, row.desired, row.held, row.refusal, row.since)
