"""Which agents are connected to which server, and how long that server is to be believed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from trustplane.registry.presence import FORGOTTEN_AFTER, Presence, ServerLife
from trustplane.spiffe.names import NodeName
from trustplane.store.tables import agent_presence, server_lives
from trustplane.store.transaction import Transaction


def put(
    transaction: Transaction, life: ServerLife, came: Iterable[NodeName], left: Iterable[NodeName], at: datetime
) -> None:
    """A node that left counts as gone unless another server has written of it since."""
    prolonged = transaction.insert_or(server_lives)
    new = {name: prolonged.excluded[name] for name in ("life", "since", "until")}
    row = {"server": life.server.name, "life": life.life, "since": life.since, "until": life.until}
    transaction.write(prolonged.on_conflict_do_update(index_elements=["server"], set_=new), row)
    # In one order everywhere: two replicas that lock rows in different orders would wait for each other.
    if arrived := sorted(came):
        arriving = transaction.insert_or(agent_presence)
        fresh = {name: arriving.excluded[name] for name in ("server", "life", "is_connected", "since")}
        rows = [_row(life, node, at) for node in arrived]
        transaction.write(arriving.on_conflict_do_update(index_elements=["node"], set_=fresh), rows)
    if gone := sorted(left):
        ours = (agent_presence.c.node == bindparam("gone"), agent_presence.c.server == life.server.name)
        leaving = update(agent_presence).where(*ours).values(is_connected=False, since=at)
        transaction.write(leaving, [{"gone": node.name} for node in gone])


def forget_ended(transaction: Transaction, at: datetime) -> None:
    transaction.write(delete(server_lives).where(server_lives.c.until < at - FORGOTTEN_AFTER))


def lives(connection: Connection) -> tuple[ServerLife, ...]:
    rows = connection.execute(select(server_lives).order_by(server_lives.c.server))
    return tuple(ServerLife(NodeName(row.server), row.life, row.since, row.until) for row in rows)


def presences(connection: Connection) -> tuple[Presence, ...]:
    return tuple(map(_presence, connection.execute(select(agent_presence).order_by(agent_presence.c.node))))


def _row(life: ServerLife, node: NodeName, at: datetime) -> dict[str, object]:
    return {"node": node.name, "server": life.server.name, "life": life.life, "is_connected": True, "since": at}


def _presence(row: Row[Any]) -> Presence:
    return Presence(NodeName(row.node), NodeName(row.server), row.life, row.is_connected, row.since)
