"""Changes of root, and the two steps of one that move several authorities at once.

A change is written only by who read its newest version, and each of the steps only while that version still is the
newest: an operator who takes a change back and a replica that goes on with it cannot both have their way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from trustplane.fault import Refused
from trustplane.rotation.root_change import Participant, Phase, RootChange, Waiver, under_way
from trustplane.store.tables import authorities, root_change_waivers, root_changes
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction
from trustplane.trust.authority import AuthorityId, AuthorityKind, AuthorityState

_OVER = tuple(phase.value for phase in Phase if phase.is_over)
_PREPARED, _ACTIVE = AuthorityState.PREPARED.value, AuthorityState.ACTIVE.value
_DRAINING, _RETIRED = AuthorityState.DRAINING.value, AuthorityState.RETIRED.value


def save(transaction: Transaction, change: RootChange) -> RootChange:
    """The change as it is stored now, one version further."""
    stored = replace(change, version=change.version + 1)
    if change.version == 0:
        _put_new(transaction, stored)
    else:
        this_one = update(root_changes).where(
            root_changes.c.number == change.number, root_changes.c.version == change.version
        )
        if transaction.write(this_one.values(**_row(stored))) != 1:
            raise _moved(change)
        transaction.write(delete(root_change_waivers).where(root_change_waivers.c.number == change.number))
    if change.waivers:
        transaction.write(insert(root_change_waivers), [_waiver_row(change.number, one) for one in change.waivers])
    transaction.signal(Topic.ROOT_CHANGES)
    return stored


def newest(connection: Connection, limit: int) -> tuple[RootChange, ...]:
    rows = connection.execute(select(root_changes).order_by(root_changes.c.number.desc()).limit(limit)).all()
    numbers = [row.number for row in rows]
    ordered = select(root_change_waivers).where(root_change_waivers.c.number.in_(numbers))
    waivers: defaultdict[int, list[Waiver]] = defaultdict(list)
    for row in connection.execute(ordered.order_by(root_change_waivers.c.at, root_change_waivers.c.participant)):
        waivers[row.number].append(_waiver(row))
    return tuple(_change(row, tuple(waivers[row.number])) for row in rows)


def switch(transaction: Transaction, change: RootChange, at: datetime) -> bool:
    """The root to come and the issuing authorities prepared below it sign; those below the other one no more.

    All at once, so that at no instant nobody signs. False when the change moved on, or it is done already.
    """
    if change.coming is None or not _is_newest(transaction, change):
        return False
    leaving, coming = change.leaving.hex, change.coming.hex
    is_root = authorities.c.kind == AuthorityKind.ROOT.value
    of_leaving, of_coming = authorities.c.parent == leaving, authorities.c.parent == coming
    waiting = authorities.c.state.in_([_PREPARED, _DRAINING])
    taken = update(authorities).where(is_root, authorities.c.id == coming, waiting)
    if transaction.write(taken.values(state=_ACTIVE, state_since=at)) != 1:
        return False
    drained = update(authorities).where(or_(authorities.c.id == leaving, of_leaving), authorities.c.state == _ACTIVE)
    transaction.write(drained.values(state=_DRAINING, state_since=at))
    prepared = update(authorities).where(of_coming, authorities.c.state == _PREPARED)
    transaction.write(prepared.values(state=_ACTIVE, state_since=at))
    transaction.signal(Topic.AUTHORITIES)
    return True


def retire(transaction: Transaction, change: RootChange, at: datetime) -> bool:
    """The leaving root and all below it. False when the change moved on, the root signs, or it is done already."""
    if not _is_newest(transaction, change):
        return False
    root = change.leaving.hex
    passive = authorities.c.state.not_in([_ACTIVE, _RETIRED])
    left = update(authorities).where(authorities.c.id == root, passive)
    if transaction.write(left.values(state=_RETIRED, state_since=at)) != 1:
        return False
    below = update(authorities).where(authorities.c.parent == root, authorities.c.state != _RETIRED)
    transaction.write(below.values(state=_RETIRED, state_since=at))
    transaction.signal(Topic.AUTHORITIES)
    return True


def _put_new(transaction: Transaction, change: RootChange) -> None:
    going_on = select(root_changes.c.number).where(root_changes.c.phase.not_in(_OVER))
    number = transaction.read(going_on).scalars().first()
    # Of two replicas that begin at once, the number lets one through.
    first = transaction.insert_or(root_changes).on_conflict_do_nothing()
    if number is not None or transaction.write(first.values(**_row(change))) != 1:
        raise under_way(number or change.number)


def _is_newest(transaction: Transaction, change: RootChange) -> bool:
    this_one = select(root_changes.c.version).where(root_changes.c.number == change.number).with_for_update()
    return transaction.read(this_one).scalar_one_or_none() == change.version


def _moved(change: RootChange) -> Refused:
    return Refused(
        code="rotation-moved",
        what=f"change of root {change.number} moved on while it was looked at",
        why="a replica or another operator acted at the same instant",
        fix="look at trustplane rotate status and say it again",
    )


def _row(change: RootChange) -> dict[str, object]:
    return {
        "number": change.number,
        "version": change.version,
        "leaving": change.leaving.hex,
        "coming": change.coming.hex if change.coming else None,
        "phase": change.phase.value,
        "since": change.since,
        "started_at": change.started_at,
        "by": change.by,
        "reason": change.reason,
        "is_emergency": change.is_emergency,
        "is_paused": change.is_paused,
        "is_going_back": change.is_going_back,
        "replaced_at": change.replaced_at,
        "last_leaf": change.last_leaf,
        "published_at": change.published_at,
        "left_at": change.left_at,
        "remade_from": change.remade_from,
        "remade_again": change.remade_again,
    }


def _change(row: Row[Any], waivers: Sequence[Waiver]) -> RootChange:
    return RootChange(
        number=row.number,
        leaving=AuthorityId(row.leaving),
        coming=AuthorityId(row.coming) if row.coming else None,
        phase=Phase(row.phase),
        since=row.since,
        started_at=row.started_at,
        by=row.by,
        reason=row.reason,
        is_emergency=row.is_emergency,
        is_paused=row.is_paused,
        is_going_back=row.is_going_back,
        replaced_at=row.replaced_at,
        last_leaf=row.last_leaf,
        remade_from=row.remade_from,
        remade_again=row.remade_again,
        waivers=tuple(waivers),
        version=row.version,
        published_at=row.published_at,
        left_at=row.left_at,
    )


def _waiver_row(number: int, one: Waiver) -> dict[str, object]:
    return {
        "number": number,
        "participant": one.participant.name,
        "reason": one.reason,
        "owner": one.owner,
        "by": one.by,
        "at": one.at,
        "until": one.until,
    }


def _waiver(row: Row[Any]) -> Waiver:
    return Waiver(Participant(row.participant), row.reason, row.owner, row.by, row.at, row.until)
