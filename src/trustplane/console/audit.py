"""The audit log as a page of lines, the newest first, and which of them a filter lets through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from trustplane.audit.log import AuditEntry

PAGE = 100
LOOKED_THROUGH = 2000  # entries that one page reads at most, however few of them match


@dataclass(frozen=True, slots=True)
class Filter:
    """`event` is its name or the beginning of it; `words` must all occur."""

    event: str
    words: str

    def lets_through(self, line: Line) -> bool:
        text = f"{line.event} {line.said}".lower()
        return line.event.startswith(self.event) and all(word in text for word in self.words.lower().split())


@dataclass(frozen=True, slots=True)
class Line:
    index: int
    at: str
    event: str
    said: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`older`: below which index to look on; None where the log ends."""

    lines: tuple[Line, ...]
    looked_through: int
    size: int
    older: int | None
    asked: Filter


def audit_page(entries: Sequence[AuditEntry], size: int, asked: Filter) -> AuditPage:
    """`entries` are those just below where the reader is, in the order of the log."""
    found: list[Line] = []
    looked = 0
    for one in reversed(entries):
        if len(found) == PAGE:
            break
        looked += 1
        line = line_of(one)
        if asked.lets_through(line):
            found.append(line)
    lowest = entries[-looked].index if looked else 0
    return AuditPage(tuple(found), looked, size, lowest or None, asked)


def line_of(entry: AuditEntry) -> Line:
    """A body that is no event of ours is shown as it is: it was hashed, so it counts."""
    try:
        body = json.loads(entry.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return Line(entry.index, "", "unreadable", entry.body[:2000].decode(errors="replace"))
    at, event = str(body.pop("at", "")), str(body.pop("event", ""))
    return Line(entry.index, at, event, ", ".join(f"{name}: {_plain(value)}" for name, value in body.items()))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
