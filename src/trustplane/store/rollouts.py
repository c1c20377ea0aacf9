"""Rollouts and deploy tokens. Bounded for each deploy system within an hour, and in all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from trustplane.change.deploy_token import MOST_TOKENS, DeployToken, token_exists, token_unknown, too_many_tokens
from trustplane.change.rollout import KEPT_FOR, MOST, MOST_AN_HOUR, Rollout, too_many
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.tables import deploy_tokens, rollouts
from trustplane.store.transaction import Transaction

_HOUR = timedelta(hours=1)


def add_token(transaction: Transaction, token: DeployToken) -> None:
    expired = deploy_tokens.c.expires_at <= token.created_at
    transaction.write(delete(deploy_tokens).where(expired))
    if int(transaction.read(select(func.count()).select_from(deploy_tokens)).scalar_one()) >= MOST_TOKENS:
        raise too_many_tokens()
    new = transaction.insert_or(deploy_tokens).on_conflict_do_nothing(index_elements=["name"])
    row = {
        "name": token.name,
        "token_sha256": token.token_sha256,
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
    if transaction.write(new.values(**row)) != 1:
        raise token_exists(token.name)


def drop_token(transaction: Transaction, name: str) -> None:
    if transaction.write(delete(deploy_tokens).where(deploy_tokens.c.name == name)) != 1:
        raise token_unknown(name)


def tokens(connection: Connection) -> tuple[DeployToken, ...]:
    return tuple(_token(row) for row in connection.execute(select(deploy_tokens).order_by(deploy_tokens.c.name)))


def token(connection: Connection, token_sha256: bytes) -> DeployToken | None:
    row = connection.execute(select(deploy_tokens).where(deploy_tokens.c.token_sha256 == token_sha256)).first()
    return None if row is None else _token(row)


def tell(transaction: Transaction, rollout: Rollout, at: datetime) -> tuple[Rollout, bool]:
    key = (rollouts.c.told_by == rollout.told_by, rollouts.c.reference == rollout.reference)
    known = transaction.read(select(rollouts).where(*key)).first()
    if known is not None:
        merged = _rollout(known).merged(rollout)
        transaction.write(update(rollouts).where(*key).values(ended=merged.ended))
        return merged, False
    _make_room(transaction, rollout.told_by, at)
    transaction.write(insert(rollouts), {**_row(rollout), "told_at": at})
    return rollout, True


def since(connection: Connection, at: datetime, limit: int) -> tuple[Rollout, ...]:
    chosen = select(rollouts).where(or_(rollouts.c.started >= at, rollouts.c.ended >= at))
    ordered = chosen.order_by(rollouts.c.started.desc(), rollouts.c.told_by, rollouts.c.reference)
    return tuple(_rollout(row) for row in connection.execute(ordered.limit(limit)))


def _make_room(transaction: Transaction, told_by: str, at: datetime) -> None:
    transaction.write(delete(rollouts).where(rollouts.c.started < at - KEPT_FOR))
    recent = select(rollouts.c.told_at).where(rollouts.c.told_by == told_by, rollouts.c.told_at > at - _HOUR)
    told = sorted(transaction.read(recent).scalars())
    if len(told) >= MOST_AN_HOUR:
        raise too_many(told[0] + _HOUR - at)
    over = int(transaction.read(select(func.count()).select_from(rollouts)).scalar_one()) - MOST + 1
    if over > 0:
        newest_to_go = select(rollouts.c.started).order_by(rollouts.c.started).offset(over - 1).limit(1)
        gone = transaction.read(newest_to_go).scalar_one()
        transaction.write(delete(rollouts).where(rollouts.c.started <= gone))


def _token(row: Row[Any]) -> DeployToken:
    return DeployToken(row.name, row.token_sha256, row.created_by, row.created_at, row.expires_at)


def _row(rollout: Rollout) -> dict[str, Any]:
    return {
        "told_by": rollout.told_by,
        "reference": rollout.reference,
        "version": rollout.version,
        "services": _listed(map(str, rollout.services)),
        "nodes": _listed(map(str, rollout.nodes)),
        "started": rollout.started,
        "ended": rollout.ended,
    }


def _listed(names: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(names)).decode()


def _rollout(row: Row[Any]) -> Rollout:
    services = frozenset(map(ServiceName.parse, msgspec.json.decode(row.services, type=list[str])))
    nodes = frozenset(map(NodeName, msgspec.json.decode(row.nodes, type=list[str])))
    return Rollout(row.told_by, row.reference, row.version, services, nodes, row.started, row.ended)
