from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from trustplane.fault import Broken
from trustplane.registry.model import RenewalWindow
from trustplane.rotation.slots import EARLIEST, SLOT, Promise, RenewalSlots

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOW = RenewalWindow(0.5, 0.75)


def place(slots: RenewalSlots, at: datetime, serial: int, lifetime: timedelta = HOUR) -> datetime:
    return slots.place(at, at + lifetime, WINDOW, serial)


def test_a_leaf_alone_is_renewed_where_its_window_opens() -> None:
    due = place(RenewalSlots(), NOON, 1)
    assert NOON + HOUR / 2 <= due <= NOON + HOUR / 2 + SLOT


def test_the_same_questions_are_answered_the_same() -> None:
    one, other = RenewalSlots(), RenewalSlots()
    assert [place(one, NOON, n) for n in range(500)] == [place(other, NOON, n) for n in range(500)]


def test_a_fleet_issued_at_once_is_given_no_slot_more_than_its_fair_share() -> None:
    slots = RenewalSlots()
    shares = [(place(slots, NOON, n) - NOON) / HOUR for n in range(20_000)]
    assert min(shares) >= EARLIEST
    assert max(shares) <= WINDOW.closes
    in_a_slot = Counter(int(share * HOUR / SLOT) for share in shares)
    fair = 20_000 * SLOT / (HOUR / 2)  # what a slot holds when the fleet is renewed evenly at half of life
    assert max(in_a_slot.values()) <= fair + 1


def test_within_its_fair_share_a_fleet_is_not_asked_back_early() -> None:
    slots = RenewalSlots()
    dues = [(at, place(slots, at, n)) for n in range(3600) for at in [NOON + timedelta(seconds=n)]]
    # Without a fleet to compare with, the first few are a surge; a half hour on, it is known what is usual.
    assert all(due - at >= HOUR / 2 for at, due in dues[1800:])


def test_a_small_fleet_keeps_to_its_window() -> None:
    slots = RenewalSlots()
    life = timedelta(minutes=1)
    dues = [place(slots, NOON, n, life) for n in range(5)]
    assert all(NOON + life * 0.5 <= due <= NOON + life * 0.75 for due in dues)


def test_serials_are_spread_inside_a_slot() -> None:
    slots = RenewalSlots()
    for n in range(720):
        place(slots, NOON, n)
    inside = sorted((place(slots, NOON, n) - NOON) % SLOT / SLOT for n in range(10_000))
    assert all(abs(share - n / len(inside)) < 0.02 for n, share in enumerate(inside))


def test_a_forgotten_promise_leaves_its_place_to_another() -> None:
    slots = RenewalSlots()
    dues = [place(slots, NOON, n) for n in range(1000)]
    gone = dues[500]
    slots.forget(Promise(NOON, NOON + HOUR, WINDOW, gone), NOON)
    assert slots.promised == 999
    assert place(slots, NOON, 5000) - NOON - (gone - NOON) // SLOT * SLOT < SLOT


def test_forgetting_what_was_never_promised_changes_nothing() -> None:
    slots = RenewalSlots()
    slots.forget(Promise(NOON, NOON + HOUR, WINDOW, NOON + HOUR * 0.6), NOON)
    slots.forget(Promise(NOON, NOON + HOUR, WINDOW, NOON - HOUR), NOON)
    slots.forget(Promise(NOON, NOON + HOUR, WINDOW, NOON + HOUR * 100), NOON)
    assert slots.promised == 0


def test_a_new_server_takes_up_what_the_old_one_promised() -> None:
    old, new = RenewalSlots(), RenewalSlots()
    for n in range(2000):
        new.recall(Promise(NOON, NOON + HOUR, WINDOW, place(old, NOON, n)), NOON)
    assert new.promised == old.promised == 2000
    assert [place(new, NOON, n) for n in range(100)] == [place(old, NOON, n) for n in range(100)]


def test_what_is_over_is_dropped() -> None:
    slots = RenewalSlots()
    for n in range(100):
        place(slots, NOON, n)
    place(slots, NOON + HOUR, 100)
    assert slots.promised == 1


def test_what_is_over_weighs_no_more_also_after_the_clock_was_set_back() -> None:
    old, new = RenewalSlots(), RenewalSlots()
    seconds = [NOON + timedelta(seconds=n) for n in range(3000)]
    promised = [Promise(at, at + HOUR, WINDOW, place(old, at, n)) for n, at in enumerate(seconds)]
    latest = seconds[-1]
    for promise in promised:
        if promise.renew_at >= latest - (latest - NOON) % SLOT:
            new.recall(promise, latest)
    assert new.promised == old.promised < 3000
    assert [place(new, latest, n) for n in range(500)] == [place(old, latest, n) for n in range(500)]
    for n in range(60):  # so far ahead that a book that begins two minutes earlier does not reach there
        old.place(latest, latest + timedelta(seconds=6800), RenewalWindow(0.74, 0.75), n)
    back = latest - timedelta(minutes=2)
    assert [place(new, back, n) for n in range(500)] == [place(old, back, n) for n in range(500)]


def test_a_clock_set_back_a_little_keeps_promises_and_set_back_far_forgets_them() -> None:
    slots = RenewalSlots()
    for n in range(100):
        place(slots, NOON, n)
    place(slots, NOON - timedelta(minutes=2), 100)
    assert slots.promised == 101
    place(slots, NOON - timedelta(days=2), 101)
    assert slots.promised == 1


@pytest.mark.parametrize(
    "lifetime", [timedelta(seconds=20), timedelta(minutes=2), timedelta(days=1), timedelta(days=90)]
)
@pytest.mark.parametrize(
    "window", [WINDOW, RenewalWindow(0.1, 0.11), RenewalWindow(0.89, 0.9), RenewalWindow(0.1, 0.9)]
)
def test_every_lifetime_and_window_is_served_in_bounds(lifetime: timedelta, window: RenewalWindow) -> None:
    slots = RenewalSlots()
    for n in range(3000):
        due = slots.place(NOON, NOON + lifetime, window, n)
        assert NOON + lifetime * EARLIEST <= due + timedelta(microseconds=2)
        assert due <= NOON + lifetime * window.closes


def test_a_leaf_without_life_is_our_mistake() -> None:
    with pytest.raises(Broken, match="leaf-without-life"):
        RenewalSlots().place(NOON, NOON, WINDOW, 1)
