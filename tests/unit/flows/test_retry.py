"""Waits grow, are spread, end at the longest, and are never shorter than what was asked for."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.retry import FIRST, Patience, asked

LONGEST = timedelta(seconds=30)


@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_every_wait_is_between_the_first_and_the_longest_and_at_most_three_times_the_last(
    random: Random, waits: int
) -> None:
    patience, last = Patience(LONGEST, random), FIRST
    for _ in range(waits):
        wait = patience.next_wait()
        assert FIRST <= wait <= min(LONGEST, last * 3)
        last = wait


@given(st.randoms(use_true_random=False), st.timedeltas(timedelta(0), timedelta(hours=1)))
def test_no_wait_is_shorter_than_what_was_asked_for(random: Random, wanted: timedelta) -> None:
    assert Patience(LONGEST, random).next_wait(wanted) >= wanted


def test_a_success_starts_over() -> None:
    patience = Patience(LONGEST, Random(7))
    for _ in range(20):
        patience.next_wait()
    patience.start_over()
    assert patience.next_wait() <= FIRST * 3


def test_a_fleet_that_failed_together_does_not_come_back_together() -> None:
    fleet = [Patience(LONGEST, Random(seed)) for seed in range(1000)]
    for one in fleet:
        for _ in range(10):
            one.next_wait()
    waits = [one.next_wait() for one in fleet]
    tenths = Counter(wait // timedelta(milliseconds=100) for wait in waits)
    assert max(tenths.values()) < len(fleet) / 3


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Unavailable(code="x", what="w", why="y", fix="f", retry_after=LONGEST), LONGEST),
        (Unavailable(code="x", what="w", why="y", fix="f"), None),
        (Refused(code="x", what="w", why="y", fix="f"), None),
    ],
)
def test_only_what_is_a_matter_of_time_asks_for_a_wait(fault: Fault, wait: timedelta | None) -> None:
    assert asked(fault) == wait
