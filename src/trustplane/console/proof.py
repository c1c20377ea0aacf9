"""The audit log verified where it is: every entry hashed again and compared with the checkpoints signed of it.

A server that verifies itself shows that it agrees with itself. A checkpoint that the reader kept from earlier shows
that it is still the log it was, so the page takes one and hands the newest out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trustplane.audit.checkpoint import NoteKey, is_signed_by, open_note
from trustplane.audit.log import AuditEntry
from trustplane.audit.verify import Verification
from trustplane.fault import Finding, Refused, Unavailable

PIECE = 2000
MOST_ENTRIES = 200_000
MOST_CHECKPOINTS = 1000


class LogPort(Protocol):
    async def audit_head(self) -> tuple[int, tuple[bytes, ...]]: ...

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]: ...

    async def audit_checkpoint(self) -> str: ...

    async def audit_checkpoints(self, limit: int) -> Sequence[str]: ...

    def audit_key(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found wrong; nothing when the log is what was signed. `kept`: with one of the reader's own."""

    size: int
    root: str
    checkpoints: int
    is_kept: bool
    findings: tuple[Finding, ...]


class Prove:
    def __init__(self, log: LogPort) -> None:
        self._log = log
        self._turn = asyncio.Semaphore(1)  # it reads the whole log

    async def run(self, kept: str) -> Proof:
        """`kept`: a checkpoint of the reader's, or nothing. Refused as `bad-checkpoint` if it is none of this log."""
        if self._turn.locked():
            raise Unavailable(
                code="proof-under-way",
                what="the audit log is being verified for someone else",
                why="it reads every entry, so it is done once at a time",
                fix="try again in a moment",
            )
        async with self._turn:
            return await self._proof(kept.replace("\r\n", "\n").rstrip())

    async def _proof(self, kept: str) -> Proof:
        size, frontier = await self._log.audit_head()
        if size > MOST_ENTRIES:
            raise Refused(
                code="log-too-long-for-a-page",
                what=f"the audit log has {size:,} entries",
                why=f"a page verifies {MOST_ENTRIES:,} at most, so that it is answered while someone waits",
                fix="trustplane audit verify has no such limit",
            )
        key = NoteKey.parse(self._log.audit_key())
        own = [one for one in await self._log.audit_checkpoints(MOST_CHECKPOINTS) if is_signed_by(one, key)]
        notes = [*([f"{kept}\n"] if kept else []), *own]  # a form trims and changes the ends of lines
        verification = Verification([open_note(one, [key]) for one in notes])
        start = 0
        while start < size:
            piece = await self._log.audit_entries(start, min(PIECE, size - start))
            if not piece:
                break
            await asyncio.to_thread(verification.feed, piece)
            start += len(piece)
        findings = verification.findings((size, frontier))
        return Proof(verification.size, verification.root.hex(), len(notes), len(notes) > len(own), findings)
