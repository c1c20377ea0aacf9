"""Whatever is promised, forgotten and recalled, and however the clock moves: instants in bounds, counts true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trustplane.registry.model import RenewalWindow
from trustplane.rotation.slots import EARLIEST, Promise, RenewalSlots

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
TICKS = timedelta(microseconds=2)  # shares of a life are rounded down to a microsecond
lifetimes = st.integers(20, 90 * 86400).map(lambda seconds: timedelta(seconds=seconds))
windows = st.tuples(st.integers(10, 89), st.integers(1, 80)).map(
    lambda drawn: RenewalWindow(drawn[0] / 100, min(90, drawn[0] + drawn[1]) / 100)
)
serials = st.integers(0, 2**159 - 1)


class Book(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.slots = RenewalSlots()
        self.at = NOON
        self.promises: list[Promise] = []

    @rule(lifetime=lifetimes, window=windows, serial=serials, count=st.integers(1, 40))
    def issue(self, lifetime: timedelta, window: RenewalWindow, serial: int, count: int) -> None:
        for number in range(count):
            not_after = self.at + lifetime
            due = self.slots.place(self.at, not_after, window, serial + number)
            assert self.at + lifetime * EARLIEST - TICKS <= due <= self.at + lifetime * window.closes + TICKS
            self.promises.append(Promise(self.at, not_after, window, due))

    @rule(place=st.integers(0, 1000))
    def forget(self, place: int) -> None:
        if self.promises:
            self.slots.forget(self.promises.pop(place % len(self.promises)), self.at)

    @rule(place=st.integers(0, 1000))
    def recall_to_another_server(self, place: int) -> None:
        if self.promises:
            other = RenewalSlots()
            other.recall(self.promises[place % len(self.promises)], self.at)
            assert 0 <= other.promised <= 1

    @rule(seconds=st.integers(-7200, 90 * 86400))
    def the_clock_moves(self, seconds: int) -> None:
        self.at = max(NOON, self.at + timedelta(seconds=seconds))

    @invariant()
    def no_more_is_promised_than_was(self) -> None:
        assert 0 <= self.slots.promised <= len(self.promises)


TestBook = Book.TestCase
TestBook.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(2000, 6000), surge=st.integers(1, 120), lifetime=st.sampled_from([600, 3600, 86400]))
def test_a_surge_is_flat_within_one_lifetime(count: int, surge: int, lifetime: int) -> None:
    slots, life, window = RenewalSlots(), timedelta(seconds=lifetime), RenewalWindow(0.5, 0.75)
    dues = [
        slots.place(at, at + life, window, number)
        for number in range(count)
        for at in [NOON + timedelta(seconds=surge) * number / count]
    ]
    width = 160 if lifetime == 86400 else 5  # seconds: a window has at most 256 slots, and widths double
    in_a_slot: dict[int, int] = {}
    for due in dues:
        slot = (due - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=width)
        in_a_slot[slot] = in_a_slot.get(slot, 0) + 1
    assert max(in_a_slot.values()) <= count * width / (lifetime * window.opens) + 1
