"""What each sidecar was since when. Rows grow with changes: what is told again is not written again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, or_, select, tuple_

from trustplane.handshake.setup import Became, Setup, StoredSetup
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.handshake_tables import sidecar_setups
from trustplane.store.tables import hosting
from trustplane.store.transaction import Transaction

MOST_OF_A_NODE = 20_000  # a node that tells of another setup every few seconds keeps its newest
ASKED_AT_ONCE = 200
_OF = sidecar_setups.c
_SIDECAR = (_OF.node, _OF.service)


def put(transaction: Transaction, node: NodeName, told: Sequence[Became]) -> None:
    if not told:
        return
    last = _last(transaction, node, sorted({str(one.service) for one in told}))
    rows = []
    for one in sorted(told, key=lambda one: (str(one.service), one.at)):
        before = last.get(one.service)
        if before is None or (before.at <= one.at and before.setup != one.setup):
            last[one.service] = one
            rows.append(_row(node, one))
    if rows:
        statement = transaction.insert_or(sidecar_setups).on_conflict_do_nothing()
        transaction.write(statement, rows)
        _bound(transaction, node)


def since(connection: Connection, since: datetime, until: datetime, limit: int) -> tuple[StoredSetup, ...]:
    """Of sidecars that are hosted: what each was at the beginning, and then the newest changes; the oldest first."""
    earlier = sidecar_setups.alias()
    same = (earlier.c.node == hosting.c.node, earlier.c.service == hosting.c.service)
    # By the key of each sidecar: to group by it would read all that is kept.
    at_first = select(func.max(earlier.c.at)).where(*same, earlier.c.at < since).correlate(hosting).scalar_subquery()
    first = select(sidecar_setups).where(
        tuple_(*_SIDECAR, _OF.at).in_(select(hosting.c.node, hosting.c.service, at_first))
    )
    within = select(sidecar_setups).where(_OF.at >= since, _OF.at < until).order_by(_OF.at.desc()).limit(limit)
    rows = [*connection.execute(first), *connection.execute(within)]
    return tuple(sorted(map(_stored, rows), key=lambda one: one.became.at))


def prune(transaction: Transaction, before: datetime) -> None:
    """What has been followed by something else, and all of sidecars that are gone."""
    later = sidecar_setups.alias()
    same = (later.c.node == _OF.node, later.c.service == _OF.service)
    followed = select(later.c.at).where(*same, later.c.at > _OF.at, later.c.at < before).exists()
    hosted = select(hosting.c.node).where(hosting.c.node == _OF.node, hosting.c.service == _OF.service).exists()
    transaction.write(delete(sidecar_setups).where(_OF.at < before, or_(followed, ~hosted)))


def _last(transaction: Transaction, node: NodeName, services: Sequence[str]) -> dict[ServiceName, Became]:
    found: dict[ServiceName, Became] = {}
    for start in range(0, len(services), ASKED_AT_ONCE):
        own = (_OF.node == node.name, _OF.service.in_(services[start : start + ASKED_AT_ONCE]))
        newest: Select[Any] = select(*_SIDECAR, func.max(_OF.at)).where(*own).group_by(*_SIDECAR)
        keys = [tuple(row) for row in transaction.read(newest)]
        if keys:
            asked = select(sidecar_setups).where(tuple_(*_SIDECAR, _OF.at).in_(keys))
            found |= {one.service: one for one in map(_became, transaction.read(asked))}
    return found


def _bound(transaction: Transaction, node: NodeName) -> None:
    kept = select(_OF.at).where(_OF.node == node.name).order_by(_OF.at.desc()).limit(1).offset(MOST_OF_A_NODE)
    oldest = transaction.read(kept).scalar()
    if oldest is not None:
        transaction.write(delete(sidecar_setups).where(_OF.node == node.name, _OF.at <= oldest))


def _row(node: NodeName, one: Became) -> dict[str, Any]:
    setup = one.setup
    told = {"envoy": setup.envoy, "agent": setup.agent, "bundle": setup.bundle, "revision": setup.revision}
    return {"node": node.name, "service": str(one.service), "at": one.at, **told}


def _became(row: Row[Any]) -> Became:
    setup = Setup(row.envoy, row.agent, row.bundle, int(row.revision))
    return Became(ServiceName.parse(row.service), row.at, setup)


def _stored(row: Row[Any]) -> StoredSetup:
    return StoredSetup(NodeName(row.node), _became(row))
