"""What the database's errors mean to whoever asked: one place that turns a driver's words into a fault.

Only the driver's primary message is quoted. Parameters and row contents stay out: sealed keys are among them.
"""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import psycopg
from psycopg import errors as postgres
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from trustplane.fault import Broken, Fault, Unavailable

RETRY_AFTER = timedelta(seconds=1)


def is_conflict(error: SQLAlchemyError) -> bool:
    """Another writer was there first: the same work may succeed, or be refused in clear words, when done again."""
    if isinstance(error, IntegrityError):
        return True
    return isinstance(error, DBAPIError) and isinstance(
        error.orig, (postgres.DeadlockDetected, postgres.SerializationFailure)
    )


def is_lost_connection(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or (
        isinstance(error.orig, postgres.OperationalError) and _is_unreachable(error.orig)
    )


def fault_of(error: SQLAlchemyError) -> Fault:
    match getattr(error, "orig", None):
        case sqlite3.Error() as cause:
            return _sqlite(cause)
        case psycopg.Error() as cause:
            return _postgres(cause)
        case _ if isinstance(error, PoolTimeout):
            return store_busy("every connection to the database has been in use for too long")
        case _:
            return _failed(f"{type(error).__name__}: {error}")


def store_busy(why: str) -> Unavailable:
    return Unavailable(
        code="store-busy",
        what="the database has more to do than it can keep up with",
        why=why,
        fix="try again; if it stays so, look at the database's disk and load",
        retry_after=RETRY_AFTER,
    )


def store_closed() -> Unavailable:
    return Unavailable(
        code="store-closed",
        what="the database is being closed",
        why="this server is stopping",
        fix="ask another server, or this one after it has started again",
        retry_after=RETRY_AFTER,
    )


def outcome_unknown() -> Unavailable:
    return Unavailable(
        code="store-outcome-unknown",
        what="the connection to the database was lost while it committed",
        why="whether the change was written cannot be told from here",
        fix="look whether it was made before making it again",
        retry_after=RETRY_AFTER,
    )


def _sqlite(cause: sqlite3.Error) -> Fault:
    code = getattr(cause, "sqlite_errorcode", None)
    match None if code is None else code & 0xFF:  # the low byte is the primary code
        case sqlite3.SQLITE_FULL:
            return _full(str(cause))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return store_read_only(str(cause))
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable(
                code="store-locked",
                what="the database is locked by another process",
                why=f"it did not get free in time ({cause})",
                fix="find who holds it (`fuser -v` on the file): a backup, or an open sqlite3 shell",
                retry_after=RETRY_AFTER,
            )
        case sqlite3.SQLITE_IOERR:
            return Unavailable(
                code="store-io-error",
                what="the disk under the database fails",
                why=f"SQLite says: {cause} ({getattr(cause, 'sqlite_errorname', 'no name')})",
                fix="look at the kernel's log and the disk's health and free space",
                retry_after=RETRY_AFTER,
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Broken(
                code="store-corrupt",
                what="the database file is damaged, or not a database",
                why=f"SQLite says: {cause}",
                fix="stop the server, keep the file for later study, and restore the newest backup",
            )
        case _:
            return _failed(f"{getattr(cause, 'sqlite_errorname', type(cause).__name__)}: {cause}")


def _postgres(cause: psycopg.Error) -> Fault:
    said = cause.diag.message_primary or str(cause).partition("\n")[0]
    if isinstance(cause, (postgres.DiskFull, postgres.OutOfMemory)):
        return _full(said)
    if isinstance(cause, (postgres.ReadOnlySqlTransaction, postgres.InsufficientPrivilege)):
        return store_read_only(said)
    if isinstance(cause, (postgres.LockNotAvailable, postgres.QueryCanceled)):
        return store_busy(f"PostgreSQL says: {said}")
    if _is_unreachable(cause):
        return Unavailable(
            code="store-unreachable",
            what="PostgreSQL does not answer",
            why=said or type(cause).__name__,
            fix="look whether PostgreSQL runs and lets this server in; it is tried again with every request",
            retry_after=RETRY_AFTER,
        )
    return _failed(f"{type(cause).__name__}: {said}")


def _is_unreachable(cause: BaseException) -> bool:
    """Connection exceptions (class 08), shutdown (57P0x), too many connections (53300), and failures to connect."""
    if not isinstance(cause, psycopg.OperationalError):
        return False
    state = cause.sqlstate
    return state is None or state[:2] in ("08", "28", "3D") or state[:4] == "57P0" or state == "53300"


def _full(said: str) -> Unavailable:
    return Unavailable(
        code="store-full",
        what="the disk under the database is full",
        why=f"the database says: {said}",
        fix="make room on that disk; work goes on by itself",
        retry_after=RETRY_AFTER,
    )


def store_read_only(said: str) -> Unavailable:
    return Unavailable(
        code="store-read-only",
        what="the database cannot be written",
        why=f"the database says: {said}",
        fix="let the server's user write the database file and its folder (SQLite keeps two files beside it), or point "
        "it at the PostgreSQL primary",
        retry_after=RETRY_AFTER,
    )


def _failed(said: str) -> Broken:
    return Broken(
        code="store-failed",
        what="the database refused a statement",
        why=said[:500],
        fix="report this with the server's log",
    )
