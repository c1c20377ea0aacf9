"""Dry runs of candidate repositories, one at a time. Of those that are over only the newest are kept."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from trustplane.fault import Refused
from trustplane.store import parcel_streams
from trustplane.store.tables import decision_streams, dry_runs, revisions
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction
from trustplane.verdict.dry_run import DryRun, End, Ended, Wanted

KEPT = 10
_NEWEST_FIRST = dry_runs.c.number.desc()


def begin(transaction: Transaction, wanted: Wanted) -> DryRun:
    current = transaction.read(
        select(revisions.c.number, revisions.c.digest).order_by(revisions.c.number.desc())
    ).first()
    number, digest = (current.number, current.digest) if current else (0, "")
    if number != wanted.against:
        raise _moved(wanted.against, number)
    last = _one(transaction.read(select(dry_runs).order_by(_NEWEST_FIRST).limit(1)).first())
    if last is not None and last.end(number, digest, wanted.at) is None:
        raise _running(last)
    made = DryRun(
        number=(last.number if last else 0) + 1,
        digest=wanted.digest,
        files=dict(wanted.files),
        started_by=wanted.by,
        started_at=wanted.at,
        ends_at=wanted.ends_at,
        against=wanted.against,
        lost_before=parcel_streams.dropped(decision_streams, transaction.read),
    )
    transaction.write(insert(dry_runs), _row(made))
    transaction.write(delete(dry_runs).where(dry_runs.c.number <= made.number - KEPT))
    transaction.signal(Topic.DRY_RUNS)
    return made


def end(transaction: Transaction, number: int, ended: Ended) -> bool:
    """False when it was written down before how it ended."""
    this_one = update(dry_runs).where(dry_runs.c.number == number, dry_runs.c.ended_at.is_(None))
    changed = transaction.write(this_one.values(ended_how=ended.how.value, ended_at=ended.at, ended_by=ended.by))
    if changed:
        transaction.signal(Topic.DRY_RUNS)
    return changed == 1


def lost(connection: Connection, run: DryRun) -> int:
    """Requests that nodes could not count since it began."""
    now = parcel_streams.dropped(decision_streams, connection.execute)
    return sum(max(0, count - run.lost_before.get(stream, 0)) for stream, count in now.items())


def newest(connection: Connection) -> DryRun | None:
    return _one(connection.execute(select(dry_runs).order_by(_NEWEST_FIRST).limit(1)).first())


def _row(run: DryRun) -> dict[str, Any]:
    return {
        "number": run.number,
        "digest": run.digest,
        "files": msgspec.json.encode(run.files),
        "started_by": run.started_by,
        "started_at": run.started_at,
        "ends_at": run.ends_at,
        "against": run.against,
        "lost_before": msgspec.json.encode(run.lost_before),
    }


def _one(row: Row[Any] | None) -> DryRun | None:
    if row is None:
        return None
    ended = Ended(End(row.ended_how), row.ended_at, row.ended_by) if row.ended_at is not None else None
    files = msgspec.json.decode(row.files, type=dict[str, str])
    before = msgspec.json.decode(row.lost_before, type=dict[str, int]) if row.lost_before else {}
    by, begun, ends = row.started_by, row.started_at, row.ends_at
    return DryRun(row.number, row.digest, files, by, begun, ends, row.against, ended, before)


def _moved(against: int, number: int) -> Refused:
    return Refused(
        code="revision-moved",
        what=f"the current revision is {number or 'none'}, not {against or 'none'}",
        why="someone applied another revision since this change was planned",
        fix="run trustplane plan again and look at the new difference, then try again",
    )


def _running(run: DryRun) -> Refused:
    return Refused(
        code="dry-run-under-way",
        what=f"{run.started_by} started the dry run {run.id} at {run.started_at:%Y-%m-%d %H:%M:%SZ}, and it runs",
        why="a sidecar judges by one candidate at a time, and what the other has shown would be lost",
        fix="see trustplane policy shadow status, and end it with trustplane policy shadow stop",
    )
