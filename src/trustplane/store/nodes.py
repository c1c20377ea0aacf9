"""Join tokens, enrolled agents and what they host."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from trustplane.fault import Refused
from trustplane.registry.records import Agent, Hosting, JoinToken
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.tables import agents, hosting, join_tokens
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction

# For a while an expired or spent token is still known, so that its bearer hears what is wrong with it.
TOKENS_KEPT_AFTER_EXPIRY = timedelta(days=1)


def put_join_token(transaction: Transaction, token: JoinToken) -> None:
    forgotten = token.created_at - TOKENS_KEPT_AFTER_EXPIRY
    transaction.write(delete(join_tokens).where(join_tokens.c.expires_at < forgotten))
    transaction.write(
        insert(join_tokens),
        {
            "token_sha256": token.token_sha256,
            "node": token.node.name,
            "expires_at": token.expires_at,
            "created_by": token.created_by,
            "created_at": token.created_at,
        },
    )


def redeem_join_token(transaction: Transaction, token_sha256: bytes, at: datetime) -> JoinToken:
    """The update's own condition decides, so of any number of bearers one is served, whichever replica they asked."""
    this_one = join_tokens.c.token_sha256 == token_sha256
    good = update(join_tokens).where(this_one, join_tokens.c.spent_at.is_(None), join_tokens.c.expires_at > at)
    redeemed = transaction.write(good.values(spent_at=at)) == 1
    row = transaction.read(select(join_tokens).where(this_one)).first()
    if redeemed and row is not None:
        return JoinToken(row.token_sha256, NodeName(row.node), row.expires_at, row.created_by, row.created_at)
    raise _token_refused(row)


def put_agent(transaction: Transaction, agent: Agent) -> None:
    """A ban stays: an enrolment that was under way when the operator banned the node must not lift it."""
    row = {
        "node": agent.node.name,
        "address": agent.address,
        "evidence": agent.evidence,
        "enrolled_at": agent.enrolled_at,
        "serial": agent.serial,
        "expires_at": agent.expires_at,
        "banned": agent.banned,
    }
    statement = transaction.insert_or(agents)
    new: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in row if name != "node"}
    new["banned"] = or_(agents.c.banned, statement.excluded.banned)
    transaction.write(statement.on_conflict_do_update(index_elements=["node"], set_=new), row)
    transaction.signal(Topic.AGENTS)


def agent(connection: Connection, node: NodeName) -> Agent | None:
    row = connection.execute(select(agents).where(agents.c.node == node.name)).first()
    return None if row is None else _agent(row)


def all_agents(connection: Connection) -> tuple[Agent, ...]:
    return tuple(_agent(row) for row in connection.execute(select(agents).order_by(agents.c.node)))


def ban_agent(transaction: Transaction, node: NodeName) -> Agent:
    transaction.write(update(agents).where(agents.c.node == node.name).values(banned=True))
    row = transaction.read(select(agents).where(agents.c.node == node.name)).first()
    if row is None:
        raise Refused(
            code="agent-unknown",
            what=f"no agent is enrolled for node {node}",
            why="only an enrolled agent can be banned",
            fix="trustplane status lists the enrolled nodes",
        )
    transaction.signal(Topic.AGENTS)
    return _agent(row)


def put_hosting(transaction: Transaction, node: NodeName, services: AbstractSet[ServiceName], at: datetime) -> None:
    """The node hosts these and no others. Those it hosted before keep their instant; no change signals nothing."""
    here = hosting.c.node == node.name
    known = {row.service for row in transaction.read(select(hosting.c.service).where(here))}
    wanted = {str(service) for service in services}
    if gone := sorted(known - wanted):
        transaction.write(delete(hosting).where(here, hosting.c.service.in_(gone)))
    if new := sorted(wanted - known):
        rows = [{"node": node.name, "service": service, "since": at} for service in new]
        transaction.write(transaction.insert_or(hosting).on_conflict_do_nothing(), rows)
    if gone or new:
        transaction.signal(Topic.HOSTING)


def all_hosting(connection: Connection) -> tuple[Hosting, ...]:
    rows = connection.execute(select(hosting).order_by(hosting.c.node, hosting.c.service))
    return tuple(Hosting(NodeName(row.node), ServiceName.parse(row.service), row.since) for row in rows)


def _agent(row: Row[Any]) -> Agent:
    return Agent(NodeName(row.node), row.address, row.evidence, row.enrolled_at, row.serial, row.expires_at, row.banned)


def _token_refused(row: Row[Any] | None) -> Refused:
    fix = "trustplane server token create NODE, then start the agent with the new token"
    if row is None:
        return Refused(
            code="join-token-unknown",
            what="this join token does not exist",
            why="it was mistyped, made for another server, or expired more than a day ago",
            fix=fix,
        )
    if row.spent_at is not None:
        return Refused(
            code="join-token-spent",
            what=f"the join token of node {row.node} was used at {row.spent_at:%Y-%m-%d %H:%M:%S} UTC",
            why="a token enrols one node once; if that was not your agent, ban the node",
            fix=fix,
        )
    return Refused(
        code="join-token-expired",
        what=f"the join token of node {row.node} expired at {row.expires_at:%Y-%m-%d %H:%M:%S} UTC",
        why="tokens live briefly, so that a leaked one is soon worth nothing",
        fix=fix,
    )
