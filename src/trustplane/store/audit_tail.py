"""The growing end of the audit log inside one transaction.

The head row is locked at the first append and written once at the end, however many appends the transaction holds, so
that a group of a hundred issuances costs the log three statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from trustplane.audit.merkle import HASH_BYTES, Frontier, leaf_hash
from trustplane.store.tables import audit_entries, audit_head

_LOCK_HEAD = select(audit_head.c.size, audit_head.c.frontier).where(audit_head.c.id == 1).with_for_update()
_MOVE_HEAD = update(audit_head).where(audit_head.c.id == 1).values(size=bindparam("to"), frontier=bindparam("hashes"))
_ADD = insert(audit_entries)


def frontier_of(size: int, hashes: bytes) -> Frontier:
    return Frontier(size, tuple(hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)))


class AuditTail:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._frontier: Frontier | None = None
        self._added: list[dict[str, object]] = []

    def append(self, bodies: Sequence[bytes], at: datetime) -> int:
        """The index of the first of these bodies."""
        frontier = self._locked()
        first = frontier.size
        leaves = [leaf_hash(body) for body in bodies]
        self._added.extend(
            {"index": index, "at": at, "body": body, "leaf_hash": leaf}
            for index, (body, leaf) in enumerate(zip(bodies, leaves, strict=True), start=first)
        )
        self._frontier = frontier.extend(leaves)
        return first

    def write(self) -> None:
        if self._frontier is None or not self._added:
            return
        self._connection.execute(_ADD, self._added)
        self._connection.execute(_MOVE_HEAD, {"to": self._frontier.size, "hashes": b"".join(self._frontier.hashes)})

    def _locked(self) -> Frontier:
        if self._frontier is None:
            size, hashes = self._connection.execute(_LOCK_HEAD).one()
            self._frontier = frontier_of(size, hashes)
        return self._frontier
