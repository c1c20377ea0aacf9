"""One write transaction, shared by the pieces of work that a group commit runs in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from trustplane.store.audit_tail import AuditTail
from trustplane.store.topics import Topic

Row = Mapping[str, Any]

_COUNTED = {"preserve_rowcount": True}  # of an INSERT too, which ON CONFLICT may turn into nothing


class Transaction:
    """`in_haste`: what a constraint will refuse need not be looked for, as the work runs again when one did."""

    def __init__(self, connection: Connection, *, in_haste: bool) -> None:
        self.in_haste = in_haste
        self.written = 0
        self.topics: set[Topic] = set()
        self._connection = connection
        self._tail = AuditTail(connection)
        self._later: dict[Insert, list[Row]] = defaultdict(list)

    def read(self, statement: Executable, parameters: Row | None = None) -> CursorResult[Any]:
        return self._connection.execute(statement, parameters)

    def write(self, statement: Executable, parameters: Row | Sequence[Row] | None = None) -> int:
        """The number of rows it changed."""
        changed = self._connection.execute(statement, parameters, execution_options=_COUNTED).rowcount
        self.written += abs(changed)  # -1 where a driver cannot tell
        return changed

    def write_later(self, statement: Insert, rows: Sequence[Row]) -> None:
        """Insert at the end, in one statement with what other work of this transaction adds by the same one."""
        self._later[statement].extend(rows)
        self.written += len(rows)

    def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        self.written += len(bodies)
        return self._tail.append(bodies, at)

    def signal(self, topic: Topic) -> None:
        """Once this is committed, tell everyone who keeps a copy."""
        self.topics.add(topic)

    def insert_or(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """INSERT that can go on with ON CONFLICT: the same words in both databases, two classes in SQLAlchemy."""
        if self._connection.dialect.name == "sqlite":
            return sqlite.insert(table)
        return postgresql.insert(table)

    def finish(self) -> None:
        for statement, rows in self._later.items():
            self._connection.execute(statement, rows)
        self._tail.write()
