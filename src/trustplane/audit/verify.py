"""Has the log been changed? Answered by computing everything again, from bodies to root.

An entry whose body no longer has the hash it was stored with, a gap, and a shuffled order are named by index. A log
that was rewritten consistently, cut short or forked differs from a checkpoint that someone kept: the range it differs
in is named as closely as checkpoints allow.
"""

from __future__ import annotations

from collections.abc import Sequence

from trustplane.audit.checkpoint import Checkpoint
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.fault import Finding

MAX_FINDINGS = 100


class Verification:
    """Fed the entries in order, in pieces of any size; asked for its findings at the end."""

    def __init__(self, checkpoints: Sequence[Checkpoint]) -> None:
        """`checkpoints` are already believed: their signatures were verified."""
        self._due = sorted(checkpoints, key=lambda each: each.size)
        self._tree = Frontier()
        self._agreed = 0  # entries up to here are those of a checkpoint
        self._findings: list[Finding] = []
        self._compare_due()

    @property
    def size(self) -> int:
        return self._tree.size

    @property
    def root(self) -> bytes:
        return self._tree.root

    def feed(self, entries: Sequence[AuditEntry]) -> None:
        """The next entries."""
        start = 0
        while start < len(entries):
            # Up to the next checkpoint at once: appending many costs one copy of the frontier, not one each.
            room = self._due[0].size - self._tree.size if self._due else len(entries)
            piece = entries[start : start + room]
            self._look_at(piece)
            self._tree = self._tree.extend(leaf_hash(entry.body) for entry in piece)
            self._compare_due()
            start += len(piece)

    def findings(self, head: tuple[int, tuple[bytes, ...]]) -> tuple[Finding, ...]:
        """Everything wrong, after the last entry; `head` is the size and frontier the log says it has."""
        found = list(self._findings)
        if head[0] != self._tree.size:
            found.append(_head(f"it counts {head[0]} entries, and {self._tree.size} were found"))
        elif head[1] != self._tree.hashes:
            found.append(_head("its hashes are not those of the entries"))
        found += [_cut_short(each, self._tree.size) for each in self._due]
        return tuple(found)

    def _look_at(self, piece: Sequence[AuditEntry]) -> None:
        for expected, entry in enumerate(piece, self._tree.size):
            if len(self._findings) >= MAX_FINDINGS:
                return
            if entry.index != expected:
                self._findings.append(_out_of_order(expected, entry.index))
            if leaf_hash(entry.body) != entry.leaf_hash:
                self._findings.append(_edited(entry.index))

    def _compare_due(self) -> None:
        while self._due and self._due[0].size == self._tree.size:
            checkpoint = self._due.pop(0)
            if checkpoint.root == self._tree.root:
                self._agreed = checkpoint.size
            else:
                self._findings.append(_differs(checkpoint, self._agreed))


def _edited(index: int) -> Finding:
    return Finding(
        code="audit-entry-edited",
        what=f"entry {index} is not what was appended",
        why="its body does not have the hash that was stored with it",
        fix=f"compare entry {index} with a backup, and find who can write the database",
    )


def _out_of_order(expected: int, found: int) -> Finding:
    return Finding(
        code="audit-entry-out-of-order",
        what=f"where entry {expected} should be is entry {found}",
        why="entries are numbered without gaps in the order they were appended",
        fix=f"compare the entries around {expected} with a backup, and find who can write the database",
    )


def _head(why: str) -> Finding:
    return Finding(
        code="audit-head-differs",
        what="the head of the log does not fit its entries",
        why=why,
        fix="stop every server on this database before anything is appended, and compare with a backup",
    )


def _cut_short(checkpoint: Checkpoint, size: int) -> Finding:
    return Finding(
        code="audit-log-cut-short",
        what=f"the log has {size} entries, and a checkpoint of it was signed at {checkpoint.size}",
        why=f"entries {size} to {checkpoint.size - 1} are missing",
        fix="restore them from a backup; the log only ever grows",
    )


def _differs(checkpoint: Checkpoint, agreed: int) -> Finding:
    return Finding(
        code="audit-log-rewritten",
        what=f"the first {checkpoint.size} entries are not those the checkpoint was signed over",
        why=f"their root differs; the difference is between entries {agreed} and {checkpoint.size - 1}",
        fix="compare those entries with a backup: the log was rewritten or forked after that checkpoint",
    )
