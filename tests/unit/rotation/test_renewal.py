"""The instant of a renewal is followed within what the holder's own clock allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trustplane.rotation.renewal import LONGEST_WAIT_EMPTY, SHORTEST_WAIT, SOONEST, followed, urgent

AT = datetime(2030, 1, 1, tzinfo=UTC)
WAITS = st.timedeltas(timedelta(0), timedelta(minutes=10))
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


@given(WAITS, WAITS, LIVES)
def test_the_less_is_left_the_sooner_a_leaf_in_use_is_asked_for_again(
    wait: timedelta, asked: timedelta, left: timedelta
) -> None:
    found = urgent(wait, asked, left)
    assert SHORTEST_WAIT <= found <= max(left / 2, SHORTEST_WAIT)
    if not asked:
        assert found <= max(left / 8, SHORTEST_WAIT)


@given(WAITS, WAITS)
def test_without_a_leaf_what_a_server_asks_for_is_kept(wait: timedelta, asked: timedelta) -> None:
    assert asked <= urgent(wait, asked, timedelta(0)) <= max(LONGEST_WAIT_EMPTY, asked)
