"""The server's book of renewals it has promised, and the instant it names for the next one.

A leaf is told once, when it is issued, when to come back. It is told an instant inside its renewal window, in a slot of
time to which no more than its fair share has been promised; only when the whole window is taken (many were issued
together) is it told to come earlier, so that a mass restart is flat again within one lifetime. It is never told to come
after the window closes, nor before `EARLIEST` of its life. Memory is bounded whatever is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from trustplane.fault import Broken
from trustplane.registry.model import RenewalWindow

SLOT = timedelta(seconds=5)
EARLIEST = 0.1  # of a lifetime; a leaf younger than that is not asked back to make room for others

_WINDOW_SLOTS = 256
_BOOK_SLOTS = 1024  # as far ahead as one book looks
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_SLOT_TICKS = SLOT // _TICK
_UNIT = 1 << 32  # loads are whole numbers of this part of a renewal in a slot, so that sums never drift
_GOLDEN = 0x9E3779B97F4A7C15  # spreads serials over a slot, also serials that count up
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Promise:
    """What one leaf was told when it was issued."""

    issued_at: datetime
    not_after: datetime
    window: RenewalWindow
    renew_at: datetime


class _Reach(NamedTuple):
    """Where a leaf may be placed: ticks since the epoch, and the width of the slots they are counted in."""

    earliest: int
    opens: int
    closes: int
    interval: int
    width: int


def _reach(issued_at: datetime, not_after: datetime, window: RenewalWindow) -> _Reach:
    now, life = (issued_at - _EPOCH) // _TICK, (not_after - issued_at) // _TICK
    if life <= 0:
        raise Broken(
            code="leaf-without-life",
            what=f"a renewal was to be planned for a leaf that ends at {not_after.isoformat()}",
            why=f"it was issued at {issued_at.isoformat()}, no earlier",
            fix="report this; no such leaf may be issued",
        )
    opens, closes = int(life * window.opens), int(life * window.closes)
    # Widths double, so that lifetimes that differ a little share one book.
    needed = max((closes - opens) // _WINDOW_SLOTS, closes // (_BOOK_SLOTS - 2))
    width = _SLOT_TICKS << (needed // _SLOT_TICKS).bit_length()
    return _Reach(now + int(life * EARLIEST), now + opens, now + closes, (opens + closes) // 2, width)


@dataclass(slots=True)
class _Book:
    """Promises by slot of one width. `loads` is what each slot's promises add to the steady load of every slot."""

    width: int
    start: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * _BOOK_SLOTS)
    loads: list[int] = field(default_factory=lambda: [0] * _BOOK_SLOTS)
    load: int = 0

    def turn_to(self, slot: int) -> None:
        """Make `slot` the first one. What lies before it is over; after a clock set back, it is not known any more."""
        moved = slot - self.start
        self.start = slot
        if abs(moved) >= _BOOK_SLOTS:
            self.counts, self.loads = [0] * _BOOK_SLOTS, [0] * _BOOK_SLOTS
        elif moved > 0:
            for row in (self.counts, self.loads):
                del row[:moved]
                row.extend([0] * moved)
        else:
            for row in (self.counts, self.loads):
                del row[moved:]
                row[:0] = [0] * -moved
        self.load = sum(self.loads)

    def slot(self, at: datetime) -> int | None:
        """The place of the slot that holds this instant, if the book reaches so far."""
        place = (at - _EPOCH) // _TICK // self.width - self.start
        return place if 0 <= place < _BOOK_SLOTS else None

    def promise(self, place: int, load: int) -> None:
        self.counts[place] += 1
        self.loads[place] += load
        self.load += load

    def release(self, place: int) -> None:
        count = self.counts[place]
        if count:
            load = self.loads[place] // count
            self.counts[place] = count - 1
            self.loads[place] -= load
            self.load -= load

    def quietest(self, first: int, last: int) -> int:
        row = self.counts[first : last + 1]
        return first + row.index(min(row))


class RenewalSlots:
    """All promises of one server. Slots are `SLOT` wide, and wider for lifetimes that would need too many."""

    def __init__(self) -> None:
        self._books: dict[int, _Book] = {}

    @property
    def promised(self) -> int:
        """How many renewals are still to come, as far as known."""
        return sum(sum(book.counts) for book in self._books.values())

    def place(self, at: datetime, not_after: datetime, window: RenewalWindow, serial: int) -> datetime:
        """The instant at which the leaf issued `at` is to be renewed, from now on promised."""
        reach = _reach(at, not_after, window)
        book = self._book(reach.width, at)
        load = reach.width * _UNIT // reach.interval
        slot = _choose(book, reach, load)
        book.promise(slot, load)
        begins = (book.start + slot) * reach.width
        ends = min(begins + reach.width, reach.closes)
        if begins < reach.opens < ends:
            begins = reach.opens
        return _EPOCH + (begins + ((serial * _GOLDEN & _MASK) * (ends - begins) >> 64)) * _TICK

    def recall(self, promise: Promise, at: datetime) -> None:
        """Count a promise that is not in this book yet: it was made before this server started, or by another one."""
        reach = _reach(promise.issued_at, promise.not_after, promise.window)
        book = self._book(reach.width, at)
        slot = book.slot(promise.renew_at)
        if slot is not None:
            book.promise(slot, reach.width * _UNIT // reach.interval)

    def forget(self, promise: Promise, at: datetime) -> None:
        """Free the slot of a leaf that was renewed early or revoked. What is not known changes nothing."""
        reach = _reach(promise.issued_at, promise.not_after, promise.window)
        book = self._book(reach.width, at)
        slot = book.slot(promise.renew_at)
        if slot is not None:
            book.release(slot)

    def _book(self, width: int, at: datetime) -> _Book:
        book = self._books.get(width)
        if book is None:
            book = self._books[width] = _Book(width)
        now = (at - _EPOCH) // _TICK // width
        if now != book.start:
            book.turn_to(now)
        return book


def _choose(book: _Book, reach: _Reach, load: int) -> int:
    """The middle of the window while it has room; else its quietest slot; else the quietest that may be had earlier."""
    start, width = book.start, reach.width
    fair = (book.load + load) // _UNIT + 1  # what every slot would hold if all promises were spread evenly
    middle = (reach.opens + reach.closes) // 2 // width - start
    if book.counts[middle] < fair:
        return middle
    first, last = reach.opens // width - start, (reach.closes - 1) // width - start
    quiet = book.quietest(first, last)
    # A fleet with less than one renewal in a slot cannot crowd it; asking it back early would only cost signatures.
    if book.counts[quiet] < fair or fair == 1:
        return quiet
    return book.quietest(min(first, -(-reach.earliest // width) - start), last)
