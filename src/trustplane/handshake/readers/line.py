"""A line of a log, and the instant it names. Logs without a zone are read as UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from trustplane.fault import Place
from trustplane.handshake.failure import Failure

MAX_LINE: Final = 16384
_ISO: Final = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?")
_CLF: Final = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    place: Place

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text[:MAX_LINE].rstrip("\r\n"))


Reader = Callable[[Iterable[Line]], Iterator[Failure]]


def instant_in(text: str) -> datetime | None:
    """The first instant near the start of a line."""
    head = text[:256]
    if found := _ISO.search(head):
        year, month, day, *clock = found.groups()
        return _made(year, month, day, clock)
    if (found := _CLF.search(head)) and found[2] in _MONTHS:
        day, name, year, *clock = found.groups()
        return _made(year, str(_MONTHS.index(name) + 1), day, clock)
    return None


def _made(year: str, month: str, day: str, clock: list[str]) -> datetime | None:
    hour, minute, second, fraction = clock
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micros, UTC)
    except ValueError:
        return None
