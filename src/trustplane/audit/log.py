"""One entry of the audit log, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`leaf_hash` is what was computed when it was appended; `audit.verify` computes it again from `body`."""

    index: int
    body: bytes
    leaf_hash: bytes = field(repr=False)
