"""The pace is what was signed while others waited, and a guess mends itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trustplane.rotation.pace import FIRST, LEAST_UNDER_WAY, SigningPace

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def under_load(pace: SigningPace, per_second: int, seconds: int, since: datetime = NOON) -> datetime:
    """That many signed in every second, with others waiting all the while."""
    for tenth in range(seconds * 10 + 1):
        pace.signed(per_second // 10, since + tenth * SECOND / 10, waiting=True)
    return since + seconds * SECOND


def test_the_first_measurement_replaces_the_guess() -> None:
    pace = SigningPace()
    assert pace.per_second == FIRST
    under_load(pace, 500, 1)
    assert pace.per_second == 500
    assert pace.limits.per_second > pace.per_second, "who is let in no faster than the pace never shows a higher one"


def test_a_pace_that_was_known_too_low_is_found_again() -> None:
    pace = SigningPace()
    at = under_load(pace, 100, 5)
    for _ in range(60):
        at = under_load(pace, round(min(1000, pace.limits.per_second)) // 10 * 10, 1, at)
    assert 900 <= pace.per_second <= 1100


def test_time_in_which_nobody_waited_says_nothing() -> None:
    pace = SigningPace()
    for second in range(100):
        assert not pace.signed(1, NOON + second * SECOND, waiting=False)
    assert not pace.signed(1, NOON + 200 * SECOND, waiting=True)
    assert pace.per_second == FIRST


def test_one_stall_halves_the_pace_at_most() -> None:
    pace = SigningPace()
    at = under_load(pace, 1000, 3)
    pace.signed(0, at + 60 * SECOND, waiting=True)
    assert pace.per_second == 500


def test_neither_does_a_failure_or_a_clock_set_back() -> None:
    pace = SigningPace()
    pace.signed(1, NOON, waiting=True)
    pace.interrupted()
    assert not pace.signed(1, NOON + 60 * SECOND, waiting=True)
    assert not pace.signed(1, NOON, waiting=True)
    assert pace.per_second == FIRST


def test_an_operators_word_is_kept() -> None:
    pace = SigningPace(50)
    under_load(pace, 500, 5)
    assert pace.per_second == pace.limits.per_second == 50
    assert pace.limits.burst == 5


def test_what_is_under_way_is_half_a_second_and_enough_for_a_slow_database() -> None:
    assert SigningPace(1000).under_way == 500
    assert SigningPace(0.5).under_way == 1
    slow = SigningPace()
    under_load(slow, 10, 2)
    assert slow.under_way == LEAST_UNDER_WAY


def test_however_slow_it_never_comes_to_a_stop() -> None:
    pace = SigningPace()
    under_load(pace, 0, 5)
    assert pace.per_second >= 1
    assert pace.limits.places >= 1
