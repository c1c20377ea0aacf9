"""The instant of a renewal is followed within what the holder's own clock allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trustplane.rotation.renewal import SOONEST, followed

AT = datetime(2030, 1, 1, tzinfo=UTC)
LIVES = st.timedeltas(timedelta(seconds=20), timedelta(days=90))


@given(st.timedeltas(-timedelta(days=100), timedelta(days=100)), LIVES)
def test_whatever_an_issuer_says_is_followed_neither_without_pause_nor_after_the_expiry(
    said: timedelta, life: timedelta
) -> None:
    found = followed(AT + said, AT, AT + life)
    assert AT + SOONEST <= found <= AT + life * 9 / 10


@given(LIVES, st.floats(0.1, 0.9))
def test_what_an_issuer_with_the_same_clock_says_is_followed_to_the_letter(life: timedelta, share: float) -> None:
    due = AT + life * share
    assert abs(followed(due, AT, AT + life) - due) <= timedelta(microseconds=1)


def test_a_leaf_with_no_time_left_is_still_not_asked_for_without_pause() -> None:
    assert followed(AT, AT, AT + timedelta(milliseconds=1)) == AT + SOONEST
