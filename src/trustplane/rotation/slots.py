"""The server's book of renewals it has promised, and the instant it names for the next one.

A leaf is told once, when it is issued, when to come back: where its window opens, because life left is what survives an
outage, unless that slot of time has its fair share of promises; then in the window's quietest slot. Only when the whole
window is taken (many were issued together) is it told to come earlier, so that a mass restart is flat again within one
lifetime; never after the window closes, nor before `EARLIEST` of its life. Memory is bounded whatever is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

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


class Promise(msgspec.Struct, frozen=True, gc=False):
    """What one leaf was told when it was issued."""

    issued_at: datetime
    not_after: datetime
    window: RenewalWindow
    renew_at: datetime


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where in its life a leaf may be renewed, in ticks from its issue, and how wide the slots are it is counted in."""

    earliest: int
    opens: int
    closes: int
    width: int
    load: int


def _shape(lifetime: timedelta, window: RenewalWindow) -> _Shape:
    life = lifetime // _TICK
    if life <= 0:
        raise Broken(
            code="leaf-without-life",
            what="a renewal was to be planned for a leaf that ends when it is issued, or before",
            why=f"its life is {lifetime}",
            fix="report this; no such leaf may be issued",
        )
    opens, closes = int(life * window.opens), int(life * window.closes)
    needed = max((closes - opens) // _WINDOW_SLOTS, closes // (_BOOK_SLOTS - 2)) // _SLOT_TICKS
    # Widths double, so that lifetimes that differ a little share one book.
    width = _SLOT_TICKS << needed.bit_length()
    return _Shape(int(life * EARLIEST), opens, closes, width, width * _UNIT // opens)


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
            self.counts, self.loads, self.load = [0] * _BOOK_SLOTS, [0] * _BOOK_SLOTS, 0
        elif moved > 0:
            self.load -= sum(self.loads[:moved])
            for row in (self.counts, self.loads):
                del row[:moved]
                row.extend([0] * moved)
        else:
            self.load -= sum(self.loads[moved:])
            for row in (self.counts, self.loads):
                del row[moved:]
                row[:0] = [0] * -moved

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
        self._last: tuple[timedelta, RenewalWindow, _Shape, _Book] | None = None

    @property
    def promised(self) -> int:
        """How many renewals are still to come, as far as known."""
        return sum(sum(book.counts) for book in self._books.values())

    def place(self, at: datetime, not_after: datetime, window: RenewalWindow, serial: int) -> datetime:
        """The instant at which the leaf issued `at` is to be renewed, from now on promised."""
        now = (at - _EPOCH) // _TICK
        shape, book = self._book(not_after - at, window, now)
        slot = _choose(book, shape, now)
        book.promise(slot, shape.load)
        begins, opens = (book.start + slot) * shape.width, now + shape.opens
        ends = min(begins + shape.width, now + shape.closes)
        if begins < opens < ends:
            begins = opens
        spread = (serial * _GOLDEN & _MASK) * (ends - begins) >> 64
        return at + _TICK * (begins - now + spread)

    def recall(self, promise: Promise, at: datetime) -> None:
        """Count a promise that is not in this book yet: it was made before this server started, or by another one."""
        shape, book, slot = self._find(promise, at)
        if slot is not None:
            book.promise(slot, shape.load)

    def forget(self, promise: Promise, at: datetime) -> None:
        """Free the slot of a leaf that was renewed early or revoked. What is not known changes nothing."""
        _, book, slot = self._find(promise, at)
        if slot is not None:
            book.release(slot)

    def _find(self, promise: Promise, at: datetime) -> tuple[_Shape, _Book, int | None]:
        life = promise.not_after - promise.issued_at
        shape, book = self._book(life, promise.window, (at - _EPOCH) // _TICK)
        place = (promise.renew_at - _EPOCH) // _TICK // shape.width - book.start
        return shape, book, place if 0 <= place < _BOOK_SLOTS else None

    def _book(self, life: timedelta, window: RenewalWindow, now: int) -> tuple[_Shape, _Book]:
        # Most leaves of a fleet are alike; working this out takes as long as all the rest.
        last = self._last
        if last is None or last[0] != life or last[1] is not window:
            shape = _shape(life, window)
            book = self._books.setdefault(shape.width, _Book(shape.width))
            self._last = last = (life, window, shape, book)
        _, _, shape, book = last
        slot = now // shape.width
        if book.start != slot:
            book.turn_to(slot)
        return shape, book


def _choose(book: _Book, shape: _Shape, now: int) -> int:
    """Where the window opens while there is room; else its quietest slot; else the quietest that may be had earlier."""
    start, width = book.start, shape.width
    fair = (book.load + shape.load) // _UNIT + 1  # what every slot would hold if all promises were spread evenly
    first = (now + shape.opens) // width - start
    if book.counts[first] < fair:
        return first
    last = (now + shape.closes - 1) // width - start
    quiet = book.quietest(first, last)
    # A fleet with less than one renewal in a slot cannot crowd it; asking it back early would only cost signatures.
    if book.counts[quiet] < fair or fair == 1:
        return quiet
    return book.quietest(min(first, -(-(now + shape.earliest) // width) - start), last)
