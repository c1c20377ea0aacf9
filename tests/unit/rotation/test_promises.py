"""Each holder is expected once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trustplane.registry.model import RenewalWindow
from trustplane.rotation.promises import Promises
from trustplane.rotation.slots import SLOT, Promise

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOW = RenewalWindow(0.5, 0.75)


def renewed(promises: Promises[str], holder: str, at: datetime = NOON, lifetime: timedelta = HOUR) -> datetime:
    return promises.renew(holder, at, at + lifetime, WINDOW, 7)


def test_who_is_given_another_leaf_before_its_time_frees_the_slot_of_the_one_before() -> None:
    promises: Promises[str] = Promises()
    first = renewed(promises, "a")
    assert (renewed(promises, "a") - first) < SLOT, "its own promise is in nobody's way"
    assert len(promises) == 1
    assert (renewed(promises, "b") - first) >= SLOT, "another's is"


def test_a_promise_from_before_a_restart_is_freed_like_any_other() -> None:
    promises: Promises[str] = Promises()
    due = NOON + HOUR / 2
    promises.recall("a", Promise(NOON, NOON + HOUR, WINDOW, due), NOON)
    assert dict(promises)["a"].renew_at == due
    assert (renewed(promises, "a") - due) < SLOT


def test_holders_that_never_come_back_are_forgotten() -> None:
    promises: Promises[str] = Promises()
    for hour in range(5):
        for number in range(900):
            renewed(promises, f"{hour}-{number}", NOON + hour * HOUR, lifetime=timedelta(minutes=1))
    assert len(promises) <= 2000
