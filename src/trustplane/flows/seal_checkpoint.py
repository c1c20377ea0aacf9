"""Signing checkpoints as the audit log grows.

A log that signs two checkpoints which do not fit together has vouched for a fork, so nothing is signed that this
process has not hashed itself: once from the first entry, afterwards only what is new. A log that no longer continues
what was signed is reported, and signed no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from trustplane.audit import checkpoint
from trustplane.audit.checkpoint import Checkpoint, NoteKey
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.clock import Clock
from trustplane.fault import Broken, Unavailable

PAGE = 1000
INTERVAL = timedelta(seconds=10)


class AuditLog(Protocol):
    async def audit_head(self) -> tuple[int, tuple[bytes, ...]]: ...

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]: ...


class Checkpoints(Protocol):
    async def put_checkpoint(self, note: str, size: int) -> None: ...

    async def latest_checkpoint(self) -> str | None: ...


class Records(AuditLog, Checkpoints, Protocol):
    """One store is both."""


class SealCheckpoint:
    def __init__(self, records: Records, key: NoteKey, sign: Callable[[bytes], bytes]) -> None:
        """`key.name` is the origin of the log."""
        self._records = records
        self._key = key
        self._sign = sign
        self._tree = Frontier()
        self._log = structlog.get_logger("audit")

    async def seal(self) -> Checkpoint | None:
        """The new checkpoint, or nothing when the log has not grown since the latest one."""
        # The checkpoint before the head: another replica may append and sign in between, and both only grow.
        latest = await self._latest()
        size, hashes = await self._records.audit_head()
        await self._hash_up_to(latest.size if latest else 0)
        if latest is not None and latest.size == self._tree.size and latest.root != self._tree.root:
            raise _forked(f"its first {latest.size} entries are no longer those of the latest checkpoint")
        await self._hash_up_to(size)
        if (size, hashes) != (self._tree.size, self._tree.hashes):
            raise _forked(f"its head says {size} entries and does not fit the {self._tree.size} that were hashed")
        if size == (latest.size if latest else 0):
            return None
        fresh = Checkpoint(self._key.name, size, self._tree.root)
        await self._records.put_checkpoint(checkpoint.sign(fresh, self._key, self._sign), fresh.size)
        return fresh

    async def run(self, clock: Clock) -> None:
        while True:
            try:
                await self.seal()
            except Unavailable as fault:
                self._log.warning("checkpoint not signed", code=fault.code, what=fault.finding.what)
            except Broken as fault:
                self._log.critical("checkpoint refused", code=fault.code, what=fault.finding.what)
            await clock.sleep(INTERVAL)

    async def _latest(self) -> Checkpoint | None:
        # Whichever replica signed it: its size and root must fit, whoever vouches for them.
        note = await self._records.latest_checkpoint()
        return checkpoint.read_unverified(note) if note else None

    async def _hash_up_to(self, size: int) -> None:
        while self._tree.size < size:
            start = self._tree.size
            entries = await self._records.audit_entries(start, min(PAGE, size - start))
            if [each.index for each in entries] != list(range(start, start + len(entries))) or not entries:
                raise _forked(f"entry {start} of {size} is missing, or is not where it should be")
            self._tree = self._tree.extend(leaf_hash(each.body) for each in entries)


def _forked(why: str) -> Broken:
    return Broken(
        code="audit-log-forked",
        what="no checkpoint is signed: the audit log does not continue what was signed before",
        why=why,
        fix="trustplane audit verify names the entries; restore them from a backup, and find who writes the database",
    )
