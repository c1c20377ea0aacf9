from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from trustplane.flows.simulation.calendar import Calendar

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_everything_comes_in_order() -> None:
    random, calendar = Random(1), Calendar(NOON, 500)
    for thing in range(500):
        calendar.put(NOON + SECOND * random.uniform(0, 100), thing)
    order = [at for at, _ in calendar.until(NOON + SECOND * 100)]
    assert order == sorted(order)
    assert len(order) == 500


def test_what_is_put_meanwhile_comes_too_and_the_last_instant_given_counts() -> None:
    calendar = Calendar(NOON, 2)
    calendar.put(NOON + 3 * SECOND, 0)
    calendar.put(NOON + SECOND, 0)
    calendar.put(NOON + SECOND, 1)
    seen: list[tuple[datetime, int]] = []
    for at, thing in calendar.until(NOON + 10 * SECOND):
        seen.append((at, thing))
        if len(seen) == 2:
            calendar.put(at + SECOND / 2, 1)
            calendar.put(at, 0)
    assert seen == [
        (NOON + SECOND, 0),
        (NOON + SECOND, 1),
        (NOON + SECOND, 0),
        (NOON + 1.5 * SECOND, 1),
    ]


def test_what_is_dropped_or_after_the_end_does_not_come() -> None:
    calendar = Calendar(NOON, 2)
    calendar.put(NOON + SECOND, 0)
    calendar.put(NOON + 5 * SECOND, 1)
    calendar.drop(0)
    assert list(calendar.until(NOON + 5 * SECOND)) == []
