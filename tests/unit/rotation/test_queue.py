from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trustplane.fault import Refused
from trustplane.rotation.queue import LONGEST_WAIT, AdmissionQueue, Limits, Shed

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def queue(per_second: float = 10, burst: int = 1, per_node: int = 256) -> AdmissionQueue[str, str]:
    return AdmissionQueue(Limits(per_second, burst, timedelta(seconds=1), per_node), NOON)


def drained(room: AdmissionQueue[str, str], at: datetime) -> list[str]:
    """Everyone who stands there, in the order in which they are served."""
    served: list[str] = []
    while (following := room.next_at(at)) is not None:
        at = following
        served += room.take(at)
    return served


def test_whoever_finds_the_room_empty_is_served_at_once() -> None:
    room = queue()
    assert room.offer(NOON, "a", "node", NOON + SECOND) is None
    assert room.take(NOON) == ["a"]
    assert room.next_at(NOON) is None


def test_nearest_expiry_is_served_first_and_nothing_held_counts_from_when_it_asked() -> None:
    room = queue()
    room.offer(NOON, "later", "n", NOON + 90 * SECOND)
    room.offer(NOON, "nothing", "n", None)
    room.offer(NOON, "sooner", "n", NOON + 30 * SECOND)
    room.offer(NOON, "expired", "n", NOON - SECOND)
    room.offer(NOON + 40 * SECOND, "nothing, but later than sooner expires", "n", None)
    assert drained(room, NOON) == [
        "expired",
        "nothing",
        "sooner",
        "nothing, but later than sooner expires",
        "later",
    ]


def test_of_two_alike_the_first_comes_first() -> None:
    room = queue()
    for name in "abc":
        room.offer(NOON, name, "n", NOON + SECOND)
    assert drained(room, NOON) == ["a", "b", "c"]


def test_no_more_are_served_than_the_pace_allows() -> None:
    room = queue(per_second=10, burst=3)
    for name in "abcdefghij":
        room.offer(NOON, name, "n", None)
    assert len(room.take(NOON)) == 3
    assert room.take(NOON + SECOND / 100) == []
    assert len(room.take(NOON + SECOND / 10 * 2.5)) == 2


def test_in_a_full_room_the_farthest_expiry_makes_way() -> None:
    room = queue(per_second=3)
    for name in "abc":
        room.offer(NOON, name, "n", NOON + 60 * SECOND)
    shed = room.offer(NOON, "urgent", "n", NOON + SECOND)
    assert shed is not None
    assert shed.ticket == "c"
    late = room.offer(NOON, "late", "n", NOON + 90 * SECOND)
    assert late is not None
    assert late.ticket == "late"
    assert drained(room, NOON) == ["urgent", "a", "b"]


def test_those_sent_away_are_given_turns_at_the_pace_of_signing() -> None:
    room = queue(per_second=100)
    sent = [room.offer(NOON, f"w{n}", f"n{n}", None) for n in range(1100)]
    waits = [shed.wait for shed in sent if shed]
    assert len(waits) == 1000
    assert waits == sorted(waits)
    assert waits[0] >= SECOND  # nobody's turn is before the room can be empty
    in_a_second = [sum(SECOND * n <= wait < SECOND * (n + 1) for wait in waits) for n in range(13)]
    assert max(in_a_second) <= 100


def test_a_wait_has_an_end_however_many_there_are() -> None:
    room = queue(per_second=1)
    waits = [shed.wait for n in range(2000) if (shed := room.offer(NOON, f"w{n}", f"n{n}", None))]
    assert max(waits) <= LONGEST_WAIT + SECOND * 2
    assert len({wait // SECOND for wait in waits[1000:]}) > 100  # they still do not come back together


def test_one_node_cannot_fill_the_room() -> None:
    room = queue(per_second=10, per_node=4)
    answers = [room.offer(NOON, f"flood{n}", "flooding", None) for n in range(50)]
    assert sum(answer is None for answer in answers) == 4
    assert room.offer(NOON, "other", "quiet", NOON + SECOND) is None


def test_a_flooding_node_takes_nobody_elses_turn() -> None:
    alone, beside = queue(per_node=4), queue(per_node=4)
    for n in range(1000):
        beside.offer(NOON, f"flood{n}", "flooding", None)

    def first_wait(room: AdmissionQueue[str, str]) -> timedelta:
        sent = (room.offer(NOON, f"w{n}", f"n{n}", None) for n in range(11))
        return next(shed.wait for shed in sent if shed)

    assert first_wait(beside) == first_wait(alone)


def test_an_asker_who_asks_again_stands_once() -> None:
    room = queue()
    room.offer(NOON, "a", "n", NOON + 90 * SECOND)
    room.offer(NOON, "b", "n", NOON + 60 * SECOND)
    room.offer(NOON, "a", "n", NOON + 30 * SECOND)
    assert drained(room, NOON) == ["a", "b"]


def test_whoever_hangs_up_is_not_signed_for() -> None:
    room = queue()
    room.offer(NOON, "a", "n", NOON)
    room.offer(NOON, "b", "n", NOON)
    assert room.withdraw("a")
    assert not room.withdraw("a")
    assert drained(room, NOON) == ["b"]


def test_a_clock_set_back_neither_stops_the_queue_nor_gives_it_away() -> None:
    room = queue(per_second=10)
    for n in range(10):
        room.offer(NOON, f"w{n}", "n", None)
    room.take(NOON)
    back = NOON - timedelta(hours=1)
    assert room.take(back) == []
    assert len(room.take(back + SECOND / 10)) == 1


def test_only_limits_that_can_be_kept_are_limits() -> None:
    with pytest.raises(Refused, match="bad-admission-limits"):
        Limits(0, 1)


def test_the_answer_names_who_was_sent_away() -> None:
    room = queue(per_second=1)
    room.offer(NOON, "a", "n", None)
    assert isinstance(room.offer(NOON, "b", "n", None), Shed)


def test_who_is_overtaken_for_as_long_as_it_waits_is_sent_away_with_a_turn() -> None:
    room = queue(per_second=4)  # four places, one second of patience
    room.offer(NOON, "far", "n", NOON + 3600 * SECOND)
    for quarter in range(4):
        at = NOON + quarter * SECOND / 4
        room.offer(at, f"near-{quarter}", "n", None)
        assert "far" not in room.take(at)
        assert room.overdue(at) == []
    (shed,) = room.overdue(NOON + SECOND)
    assert shed.ticket == "far"
    assert timedelta(0) < shed.wait <= LONGEST_WAIT
    assert "far" not in drained(room, NOON + SECOND)


def test_a_room_keeps_to_other_limits_from_then_on() -> None:
    room = queue(per_second=1, burst=1)
    room.keep_to(Limits(100, burst=5, patience=SECOND))
    for name in "abcdef":
        assert room.offer(NOON, name, "n", None) is None
    assert room.take(NOON) == ["a"], "no token is given for nothing"
    assert room.take(NOON + SECOND, most=2) == ["b", "c"]
    assert room.take(NOON + SECOND) == ["d", "e", "f"]
