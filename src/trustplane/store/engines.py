"""Connections: one for the writer, a few for readers; a commit on them is durable and no wait is endless."""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from trustplane.fault import Refused
from trustplane.store.faults import store_read_only

READERS = 4
BUSY_MILLISECONDS = 5000
CONNECT_SECONDS = 5

_SQLITE = (
    "PRAGMA synchronous=FULL",  # in WAL mode less would lose answered writes when the power fails
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
)
_POSTGRES = (
    # `off` would answer before the write is durable; the stricter settings are the operator's to choose.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    "SET lock_timeout = '10s'",
    "SET statement_timeout = '60s'",
    "SET idle_in_transaction_session_timeout = '60s'",
)
_POSTGRES_CONNECT: dict[str, str | int] = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "trustplane",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


@dataclass(frozen=True, slots=True)
class Counts:
    statements: int
    transactions: int  # write transactions committed


class Counter:
    """Counts what the database is asked, for benchmarks and for tests of what a request costs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statements = 0
        self._transactions = 0

    @property
    def counts(self) -> Counts:
        with self._lock:
            return Counts(self._statements, self._transactions)

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self._statement)

    def watch_commits(self, engine: Engine) -> None:
        event.listen(engine, "commit", self._commit)

    def _statement(self, *_: object) -> None:
        with self._lock:
            self._statements += 1

    def _commit(self, _: Connection) -> None:
        with self._lock:
            self._transactions += 1


def parse_url(text: str) -> URL:
    """SQLite in a file, or PostgreSQL. What was given is not repeated: it may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _refuse("it is not a URL") from None
    match url.drivername:
        case "sqlite" if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            raise _refuse("SQLite needs a file: a database in memory dies with the process")
        case "sqlite" if url.query or url.host:
            raise _refuse("a SQLite URL holds a path and nothing else")
        case "sqlite":
            return url
        case "postgresql" | "postgresql+psycopg":
            return url.set(drivername="postgresql+psycopg")
        case _:
            raise _refuse(f"{url.drivername!r:.40} is not a database trustplane knows")


def _refuse(why: str) -> Refused:
    return Refused(
        code="bad-database-url",
        what="the database URL cannot be used",
        why=why,
        fix="write sqlite:////var/lib/trustplane/trustplane.db or postgresql://user:password@host/database",
    )


def writer(url: URL, counter: Counter) -> Engine:
    engine = _engine(url, 1)
    if url.drivername == "sqlite":
        event.listen(engine, "begin", _begin_immediate)
    counter.watch(engine)
    counter.watch_commits(engine)
    return engine


def readers(url: URL, counter: Counter) -> Engine:
    """Every read is one statement, which sees one state of the database without a transaction around it."""
    engine = _engine(url, READERS, isolation_level="AUTOCOMMIT")
    counter.watch(engine)
    return engine


def create_file(url: URL) -> None:
    """The database is made for its owner's eyes only: sealed keys and the names of everything are in it."""
    path = Path(url.database or "")
    if not path.parent.is_dir():
        raise Refused(
            code="store-no-directory",
            what=f"there is no directory {path.parent}",
            why="the database file would be made in it",
            fix=f"mkdir -p {path.parent}, or give another path",
        )
    if not path.exists():
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise store_read_only(f"{error.strerror}: {path}") from error


def connect_arguments(url: URL) -> dict[str, str | int]:
    """What PostgreSQL connections get beside the URL, whose own word counts more."""
    return {name: value for name, value in _POSTGRES_CONNECT.items() if name not in url.query}


def _engine(url: URL, connections: int, **options: str) -> Engine:
    arguments: dict[str, Any] = {"timeout": BUSY_MILLISECONDS / 1000, "isolation_level": None}
    if url.drivername != "sqlite":
        arguments = connect_arguments(url)
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS * 2,
        hide_parameters=True,  # sealed keys are among them
        connect_args=arguments,
        **options,
    )
    event.listen(engine, "connect", _set_up_sqlite if url.drivername == "sqlite" else _set_up_postgres)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    try:
        for statement in _SQLITE:
            connection.execute(statement)
    except sqlite3.Error as error:
        raise _unusable(error) from error


def _set_up_postgres(connection: Any, _: ConnectionPoolEntry) -> None:  # noqa: ANN401 - SQLAlchemy's wrapper
    try:
        usual = connection.autocommit
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in _POSTGRES:
                cursor.execute(statement)
        connection.autocommit = usual
    except psycopg.Error as error:
        raise _unusable(error) from error


def _unusable(error: sqlite3.Error | psycopg.Error) -> OperationalError:
    """What SQLAlchemy would have made of it: it does not translate what happens while a connection is set up."""
    return OperationalError("setting up a connection", None, error)


def _begin_immediate(connection: Connection) -> None:
    # A transaction that starts by reading and then writes could be refused the lock in its middle.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
