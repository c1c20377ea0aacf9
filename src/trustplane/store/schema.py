"""Brings a database to this version's schema when a server starts.

Replicas that start at once take turns; a database that a newer version has changed is refused, not guessed at. A
migration is one transaction: it happens whole or not at all.
"""

from __future__ import annotations

import sqlite3
import time

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from trustplane.fault import Refused
from trustplane.store.engines import BUSY_MILLISECONDS
from trustplane.store.faults import store_read_only

_MIGRATIONS = "trustplane.store:migrations"
_LOCK = 0x7472757374  # any fixed number; replicas of one database must agree on it
_PAUSE_SECONDS = 0.02


def bring_up_to_date(writer: Engine, readers: Engine) -> None:
    if writer.dialect.name == "sqlite":
        _use_write_ahead_log(readers)
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS)
    scripts = ScriptDirectory.from_config(config)
    with writer.begin() as connection:
        if writer.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if _is_current(connection, scripts):
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _is_current(connection: Connection, scripts: ScriptDirectory) -> bool:
    present = set(MigrationContext.configure(connection).get_current_heads())
    unknown = present - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        raise Refused(
            code="store-schema-newer",
            what=f"the database has schema {', '.join(sorted(unknown))}, which this version does not know",
            why="a newer version of trustplane has changed it, and writing in the old way could damage it",
            fix="start that newer version, or restore the backup made before the upgrade",
        )
    return present == set(scripts.get_heads())


def _use_write_ahead_log(readers: Engine) -> None:
    """Two processes that start at once: SQLite answers one of them `busy` without waiting, so waiting is done here."""
    give_up = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            with readers.connect() as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()
        except OperationalError as error:
            code = getattr(error.orig, "sqlite_errorcode", 0)
            if code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            if mode != "wal":
                raise store_read_only("SQLite cannot make its write-ahead log beside the file")
            return
