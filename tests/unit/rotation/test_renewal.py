"""The instant of a renewal is decided once, inside its window, spread, and bounded by whoever follows it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trustplane.registry.model import RenewalWindow
from trustplane.rotation.renewal import SOONEST, followed, renew_at

AT = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOW = RenewalWindow(0.5, 0.75)
SERIALS = st.integers(1, 2**159 - 1)
LIVES = st.timedeltas(timedelta(seconds=20), timedelta(days=90))


@given(SERIALS, LIVES)
def test_it_is_inside_the_window_and_the_same_however_often_it_is_asked(serial: int, life: timedelta) -> None:
    found = renew_at(AT, AT + life, WINDOW, serial)
    assert AT + life * WINDOW.opens <= found <= AT + life * WINDOW.closes
    assert renew_at(AT, AT + life, WINDOW, serial) == found


def test_leaves_issued_in_one_second_are_renewed_over_the_whole_window() -> None:
    found = [renew_at(AT, AT + HOUR, WINDOW, serial) for serial in range(4000)]
    minutes = Counter((one - AT) // timedelta(minutes=1) for one in found)
    assert len(minutes) == 15
    assert max(minutes.values()) < 2 * 4000 / 15


@given(st.timedeltas(-timedelta(days=100), timedelta(days=100)), LIVES)
def test_whatever_an_issuer_says_is_followed_neither_without_pause_nor_after_the_expiry(
    said: timedelta, life: timedelta
) -> None:
    found = followed(AT + said, AT, AT + life)
    assert AT + SOONEST <= found <= AT + life * 9 / 10


@given(SERIALS, LIVES, st.floats(0.1, 0.8))
def test_what_an_issuer_with_the_same_clock_says_is_followed_to_the_letter(
    serial: int, life: timedelta, opens: float
) -> None:
    due = renew_at(AT, AT + life, RenewalWindow(opens, 0.9), serial)
    assert abs(followed(due, AT, AT + life) - due) <= timedelta(microseconds=1)


def test_a_leaf_with_no_time_left_is_still_not_asked_for_without_pause() -> None:
    assert followed(AT, AT, AT + timedelta(milliseconds=1)) == AT + SOONEST
