"""The true difference of two clocks is never outside what was measured, whatever the line did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trustplane.flows.clock_skew import KEPT_FOR, Exchange, Skew, measured, preferred

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
_OFFSETS = st.timedeltas(timedelta(days=-2), timedelta(days=2))
_DELAYS = st.timedeltas(timedelta(0), timedelta(seconds=20))


def an_exchange(offset: timedelta, there: timedelta, back: timedelta, asked: datetime = NOON) -> Exchange:
    return Exchange(asked, asked + there + offset, asked + there + back)


@given(_OFFSETS, _DELAYS, _DELAYS)
def test_the_difference_lies_within_the_error(offset: timedelta, there: timedelta, back: timedelta) -> None:
    skew = measured(an_exchange(offset, there, back))
    assert skew is not None
    assert abs(skew.offset - offset) <= skew.error + timedelta(microseconds=1)
    assert skew.at_least <= abs(offset) + timedelta(microseconds=1)


def test_an_exchange_across_a_clock_that_was_set_back_says_nothing() -> None:
    assert measured(Exchange(NOON, NOON, NOON - SECOND)) is None


def test_the_sharper_measurement_is_kept_while_both_can_be_true() -> None:
    sharp = Skew(SECOND, timedelta(milliseconds=1), NOON)
    blunt = Skew(2 * SECOND, 5 * SECOND, NOON + SECOND)
    assert preferred(sharp, blunt) is sharp
    assert preferred(blunt, Skew(SECOND, timedelta(milliseconds=1), NOON + 2 * SECOND)).error < blunt.error


def test_a_measurement_that_contradicts_the_one_held_replaces_it() -> None:
    held = Skew(SECOND, timedelta(milliseconds=1), NOON)
    after_a_step = Skew(-60 * SECOND, 5 * SECOND, NOON + SECOND)
    assert preferred(held, after_a_step) is after_a_step


def test_an_old_measurement_and_one_from_the_future_are_replaced() -> None:
    blunt = Skew(SECOND, 5 * SECOND, NOON)
    assert preferred(Skew(SECOND, SECOND, NOON - KEPT_FOR - SECOND), blunt) is blunt
    assert preferred(Skew(SECOND, SECOND, NOON + SECOND), blunt) is blunt


def test_nothing_is_said_of_what_the_line_may_have_caused() -> None:
    slow_line = measured(an_exchange(timedelta(0), timedelta(0), 40 * SECOND))
    assert slow_line is not None
    assert not slow_line.worth_saying
    assert Skew(40 * SECOND, SECOND, NOON).invalidates
    assert Skew(-40 * SECOND, SECOND, NOON).invalidates
    assert not Skew(20 * SECOND, SECOND, NOON).invalidates
