"""Applied revisions of the trust repository. Their numbers have no gaps and no forks: each is the last one plus one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, insert, literal, select

from trustplane.fault import Refused
from trustplane.registry.records import Revision
from trustplane.store.tables import revisions
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction

_WHOLE = select(revisions)
_NEWEST_FIRST = revisions.c.number.desc()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision before it has its number."""

    files: Mapping[str, str] = field(repr=False)
    digest: str
    applied_by: str
    applied_at: datetime
    restored_from: int | None


def put(transaction: Transaction, candidate: Candidate, expected_current: int | None) -> Revision:
    newest = _one(transaction.read(_WHOLE.order_by(_NEWEST_FIRST).limit(1)).first())
    if newest is not None and newest.digest == candidate.digest:
        return newest
    number = newest.number if newest else None
    if number != expected_current:
        raise Refused(
            code="revision-moved",
            what=f"the current revision is {number or 'none'}, not {expected_current or 'none'}",
            why="someone applied another revision since this change was planned",
            fix="run trustplane plan again and look at the new difference, then apply",
        )
    made = Revision(
        (number or 0) + 1,
        candidate.digest,
        dict(candidate.files),
        candidate.applied_by,
        candidate.applied_at,
        candidate.restored_from,
    )
    transaction.write(
        insert(revisions),
        {
            "number": made.number,
            "digest": made.digest,
            "files": msgspec.json.encode(made.files),
            "applied_by": made.applied_by,
            "applied_at": made.applied_at,
            "restored_from": made.restored_from,
        },
    )
    transaction.signal(Topic.REVISION)
    return made


def current(connection: Connection) -> Revision | None:
    return _one(connection.execute(_WHOLE.order_by(_NEWEST_FIRST).limit(1)).first())


def get(connection: Connection, number: int) -> Revision:
    found = None
    if 0 < number < 1 << 63:
        found = _one(connection.execute(_WHOLE.where(revisions.c.number == number)).first())
    if found is None:
        raise Refused(
            code="unknown-revision",
            what=f"there is no revision {number}",
            why="revisions are numbered from 1 to the current one",
            fix="trustplane status shows the current revision, trustplane apply --revision N restores an older one",
        )
    return found


def before(connection: Connection, limit: int, number: int | None) -> tuple[Revision, ...]:
    """The newest first, without the contents of their files."""
    without_files: Select[Any] = select(
        *(column for column in revisions.c if column.name != "files"), literal(b"{}").label("files")
    )
    chosen = without_files.order_by(_NEWEST_FIRST).limit(limit)
    if number is not None:
        chosen = chosen.where(revisions.c.number < number)
    return tuple(_revision(row) for row in connection.execute(chosen))


def _one(row: Row[Any] | None) -> Revision | None:
    return None if row is None else _revision(row)


def _revision(row: Row[Any]) -> Revision:
    files = msgspec.json.decode(row.files, type=dict[str, str])
    return Revision(row.number, row.digest, files, row.applied_by, row.applied_at, row.restored_from)
