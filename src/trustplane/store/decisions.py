"""What proxies decided, by the hour: bounded for each service and in all, whatever nodes tell.

A parcel is taken whole or not at all, and once: the number of its stream moves in the same transaction. Of a service
that has as many kinds in an hour as are kept, further ones are counted without their paths.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, select

from trustplane.registry.parcels import Losses
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store import parcel_streams
from trustplane.store.decision_rows import ENFORCED, TRIAL, digest, kind_of, row, tally_of
from trustplane.store.tables import decision_streams, decisions
from trustplane.store.transaction import Transaction
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.delivery import Kept, Parcel
from trustplane.verdict.tally import Tally, add

MOST_KINDS = 2000  # of one service in one hour
MOST_WITHOUT_PATHS = 500  # beside those
MOST_ROWS = 5_000_000  # in all
_HOUR = timedelta(hours=1)


def put(transaction: Transaction, parcel: Parcel, at: datetime) -> Kept:
    if not parcel_streams.moved(transaction, decision_streams, parcel.id, parcel.losses, at):
        return Kept(parcel_streams.number(transaction, decision_streams, parcel.id))
    hours: dict[tuple[str, datetime], dict[DecisionKind, Tally]] = defaultdict(dict)
    for kind, tally in parcel.tallies.items():
        add(hours[str(kind.callee), _hour(tally.first)], kind, tally)
    fresh: list[DecisionKind] = []
    dropped = 0
    for (callee, hour), tallies in sorted(hours.items()):
        kept, new, lost = _fitting(transaction, callee, hour, tallies)
        _add(transaction, hour, kept)
        fresh += new
        dropped += lost
    parcel_streams.lose(transaction, decision_streams, parcel.id, Losses(dropped=dropped))
    return Kept(parcel.id.number, tuple(fresh))


def found(
    connection: Connection, since: datetime, callee: ServiceName | None, candidate: str | None, limit: int
) -> tuple[tuple[DecisionKind, Tally], ...]:
    """Since the beginning of that hour, those with most requests first. Trials only where a candidate is named."""
    where = [decisions.c.hour >= _hour(since)]
    where += [decisions.c.callee == str(callee)] if callee else []
    where += [decisions.c.candidate == candidate] if candidate else []
    requests = func.sum(decisions.c.count).label("requests")
    began, ended = func.min(decisions.c.first).label("began"), func.max(decisions.c.last).label("ended")
    newest = func.max(decisions.c.sample).label("newest")
    by = [decisions.c[name] for name in (*ENFORCED, *(TRIAL if candidate else ()))]
    asked = select(*by, requests, began, ended, newest).where(*where).group_by(*by)
    rows: Iterable[Row[Any]] = connection.execute(asked.order_by(requests.desc(), *by).limit(limit))
    return tuple((kind_of(one), tally_of(one)) for one in rows)


def losses(connection: Connection, since: datetime) -> dict[NodeName, Losses]:
    """What nodes that delivered since then have lost."""
    return parcel_streams.losses(connection, decision_streams, since)


def prune(transaction: Transaction, before: datetime) -> int:
    """Hours before that one; and the oldest of those that are left, while there are more rows than are kept."""
    gone = transaction.write(delete(decisions).where(decisions.c.hour < _hour(before)))
    parcel_streams.forget_before(transaction, decision_streams, before)
    while int(transaction.read(select(func.count()).select_from(decisions)).scalar_one()) > MOST_ROWS:
        oldest = transaction.read(select(func.min(decisions.c.hour))).scalar_one()
        gone += transaction.write(delete(decisions).where(decisions.c.hour == oldest))
    return gone


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _fitting(
    transaction: Transaction, callee: str, hour: datetime, tallies: dict[DecisionKind, Tally]
) -> tuple[dict[DecisionKind, Tally], Sequence[DecisionKind], int]:
    """What is kept, which of it is new in its hour, and how many requests are not."""
    which = (decisions.c.callee == callee, decisions.c.hour == hour)
    known = set(transaction.read(select(decisions.c.kind).where(*which)).scalars())
    kept: dict[DecisionKind, Tally] = {}
    fresh, lost = [], 0
    for kind, tally in tallies.items():
        for counted_as, most in (
            (kind, MOST_KINDS),
            (kind.with_path(kind.path.below("")), MOST_KINDS + MOST_WITHOUT_PATHS),
        ):
            name = digest(counted_as)
            if name in known or len(known) < most:
                fresh += [] if name in known else [counted_as]
                known.add(name)
                add(kept, counted_as, tally)
                break
        else:
            lost += tally.count
    return kept, fresh, lost


def _add(transaction: Transaction, hour: datetime, tallies: dict[DecisionKind, Tally]) -> None:
    if not tallies:
        return
    statement = transaction.insert_or(decisions)
    old, new = decisions.c, statement.excluded
    merged = {
        "count": old["count"] + new["count"],
        "first": _greater(new.first < old.first, new.first, old.first),
        "last": _greater(new.last > old.last, new.last, old.last),
        "sample": _greater(new.sample > old.sample, new.sample, old.sample),
    }
    rows = _sorted(row(hour, kind, tally) for kind, tally in tallies.items())
    transaction.write(statement.on_conflict_do_update(index_elements=["hour", "kind"], set_=merged), rows)


def _greater(condition: Any, this: Any, that: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's expressions
    return case((condition, this), else_=that)


def _sorted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """In one order everywhere: two replicas that lock rows in different orders would wait for each other."""
    return sorted(rows, key=lambda one: str(one["kind"]))
