from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.registry.durations import as_written


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "90s"),
        (timedelta(minutes=15), "15m"),
        (timedelta(hours=1), "1h"),
        (timedelta(days=30), "30d"),
        (timedelta(milliseconds=1500), "1.5s"),
    ],
)
def test_durations_are_shown_as_a_file_would_say_them(duration: timedelta, text: str) -> None:
    assert as_written(duration) == text


@given(st.timedeltas(timedelta(0), timedelta(days=100)), st.timedeltas(timedelta(0), timedelta(days=100)))
def test_different_durations_are_shown_differently(one: timedelta, other: timedelta) -> None:
    assert (as_written(one) == as_written(other)) == (one == other)
