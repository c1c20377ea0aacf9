"""From logs to groups of failures: read what each log holds, keep what is in the time asked for, diagnose.

Bounded: of the failures of all logs the last are kept, and how many were left out is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Protocol

from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Failure
from trustplane.handshake.fleet.links import Links
from trustplane.handshake.fleet.ranking import Ranking, ranked
from trustplane.handshake.groups import Group, grouped
from trustplane.handshake.join import join
from trustplane.handshake.known import Known
from trustplane.handshake.readers import access_log
from trustplane.handshake.readers.formats import LOOKED_AT, READERS, Format, format_of
from trustplane.handshake.readers.line import Line

MAX_FAILURES = 200_000


class Log(Protocol):
    """A log to be read once."""

    def lines(self) -> Iterator[Line]: ...


@dataclass(frozen=True, slots=True)
class Window:
    """From one instant until another, either of them open. What has no time is in every window."""

    begins: datetime | None = None
    ends: datetime | None = None

    def holds(self, at: datetime | None) -> bool:
        if at is None:
            return True
        return (self.begins is None or at >= self.begins) and (self.ends is None or at < self.ends)


@dataclass(frozen=True, slots=True)
class Found:
    groups: Sequence[Group]
    failures: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """`left_out` are records of links beyond those that can be compared, and failures beyond those that are kept."""

    ranking: Ranking
    left_out: int


def failures_of(log: Log, written: Format | None) -> Iterator[Failure]:
    """`written` is the log's format; without it the first lines tell."""
    lines = log.lines()
    first = list(islice(lines, LOOKED_AT))
    return READERS[written or format_of(first)](chain(first, lines))


def diagnose_logs(
    logs: Iterable[Log], written: Format | None, window: Window, known: Known, texts: Iterable[Failure] = ()
) -> Found:
    """`texts` are failures that came without a log."""
    kept = deque[Failure](maxlen=MAX_FAILURES)
    count = 0
    for failure in chain(texts, *(failures_of(log, written) for log in logs)):
        if window.holds(failure.at):
            kept.append(failure)
            count += 1
    return Found(grouped(kept, known), count, count - len(kept))


def rank_logs(logs: Iterable[Log], written: Format | None, window: Window) -> Ranked:
    """By what the logs say of either end. The requests that worked are what failures are compared with."""
    links = Links()
    kept = deque[Failure](maxlen=MAX_FAILURES)
    count = 0
    for failure in chain.from_iterable(failures_of(_Noting(log, links, window), written) for log in logs):
        if window.holds(failure.at):
            kept.append(failure)
            count += 1
    for pair in join(kept):
        links.failed(pair, diagnose(pair).cause)
    return Ranked(ranked(links.subjects()), count - len(kept) + links.left_out)


@dataclass(frozen=True, slots=True)
class _Noting:
    """A log whose lines about what worked are noted as they pass."""

    log: Log
    links: Links
    window: Window

    def lines(self) -> Iterator[Line]:
        for line in self.log.lines():
            if (record := access_log.worked(line)) is not None and self.window.holds(record.at):
                self.links.worked(record)
            yield line
