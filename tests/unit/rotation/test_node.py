"""All leaves of a node: in calls of bounded size, nearest expiry first, none held up by a call with more patience."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trustplane.rotation.leaf import LONGEST_ANSWER, Deferred, Failed, Issued, Moved, Notice, Revoked, Superseded
from trustplane.rotation.node import Call, Lane, NodeRenewals

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
CALM = Lane(0, hurried=False)


def node(*keys: str, addresses: int = 1) -> NodeRenewals[str]:
    renewals: NodeRenewals[str] = NodeRenewals(addresses, salt=7)
    for key in keys:
        renewals.begin(key)
    return renewals


def holding(lives: dict[str, timedelta], addresses: int = 1) -> NodeRenewals[str]:
    """Each holds a leaf with so much life left."""
    renewals = node(*lives, addresses=addresses)
    for key, life in lives.items():
        renewals.issued(key, Issued(NOON + life / 2, NOON + life), NOON)
    return renewals


def called(renewals: NodeRenewals[str], at: datetime, most: int = 100) -> list[Call[str]]:
    renewals.tick(at)
    return renewals.calls(most)


def failed(renewals: NodeRenewals[str], call: Call[str], at: datetime, wait: timedelta | None = None) -> None:
    for key in call.keys:
        renewals.answered(key, Failed(call.lane.address, wait), at)
    renewals.over(call)


def test_what_is_due_together_is_asked_for_in_one_call() -> None:
    assert called(node("a", "b", "c"), NOON) == [Call(CALM, ("a", "b", "c"), LONGEST_ANSWER)]


def test_a_call_is_bounded_and_the_next_one_waits_for_its_end() -> None:
    renewals = node("a", "b", "c")
    (first,) = called(renewals, NOON, most=2)
    assert first.keys == ("a", "b")
    assert called(renewals, NOON, most=2) == []
    renewals.over(first)
    assert [call.keys for call in renewals.calls(2)] == [("c",)]


def test_the_nearest_expiry_goes_first_and_before_all_what_has_nothing() -> None:
    renewals = holding({"late": 3 * HOUR, "soon": HOUR, "middle": 2 * HOUR})
    renewals.begin("nothing")
    (call,) = called(renewals, NOON + HOUR * 1.5 - SECOND, most=3)
    assert call.keys == ("nothing", "soon", "middle")


def test_a_leaf_about_to_expire_is_not_held_up_by_a_call_with_more_patience() -> None:
    renewals = holding({"hurried": 30 * SECOND, "calm": HOUR})
    renewals.begin("nothing")
    calls = called(renewals, NOON + 20 * SECOND)
    assert {call.lane: call.keys for call in calls} == {
        Lane(0, hurried=True): ("hurried",),
        CALM: ("nothing",),
    }
    assert min(call.within for call in calls) < LONGEST_ANSWER


def test_what_failed_in_one_call_comes_back_in_one_call_at_the_next_address() -> None:
    renewals = node("a", "b", addresses=2)
    (call,) = called(renewals, NOON)
    failed(renewals, call, NOON)
    again_at = renewals.next_at()
    assert again_at is not None
    assert NOON < again_at <= NOON + 3 * SECOND
    assert called(renewals, again_at) == [Call(Lane(1, hurried=False), ("a", "b"), LONGEST_ANSWER)]


def test_a_turn_is_kept() -> None:
    renewals = node("a", addresses=2)
    (call,) = called(renewals, NOON)
    renewals.answered("a", Deferred(0, 77 * SECOND), NOON)
    renewals.over(call)
    assert renewals.next_at() == NOON + 77 * SECOND
    assert called(renewals, NOON + 76 * SECOND) == []
    assert [one.lane.address for one in called(renewals, NOON + 77 * SECOND)] == [0]


def test_another_leaf_is_wanted_once_for_a_question_that_was_not_sent_and_again_for_one_that_was() -> None:
    renewals = node("a")
    renewals.tick(NOON)
    renewals.want("a", Superseded(), NOON)
    (call,) = renewals.calls(1)
    assert renewals.issued("a", Issued(NOON + HOUR, NOON + 2 * HOUR), NOON) is not None
    renewals.over(call)
    assert called(renewals, NOON) == []
    (call,) = called(renewals, NOON + HOUR)
    renewals.want("a", Superseded(), NOON + HOUR)
    assert renewals.issued("a", Issued(NOON + 2 * HOUR, NOON + 3 * HOUR), NOON + HOUR) is None
    renewals.over(call)
    assert [one.keys for one in renewals.calls(1)] == [("a",)]


def test_what_is_revoked_is_asked_for_first_and_what_is_moved_sooner() -> None:
    renewals = holding({"a": HOUR, "b": HOUR, "c": HOUR})
    renewals.want("b", Revoked(), NOON)
    renewals.want("c", Moved(NOON + SECOND), NOON)
    assert renewals.next_at() == NOON + SECOND
    assert [call.keys for call in called(renewals, NOON)] == [("b",)]


def test_a_leaf_that_went_is_asked_for_no_more_and_its_answer_changes_nothing() -> None:
    renewals = node("gone", "here")
    (call,) = called(renewals, NOON)
    renewals.keep_only({"here"})
    assert renewals.issued("gone", Issued(NOON + HOUR, NOON + 2 * HOUR), NOON) is None
    renewals.answered("gone", Failed(0), NOON)
    failed(renewals, call, NOON)
    assert [one.keys for one in called(renewals, NOON + 10 * SECOND)] == [("here",)]


def test_lateness_is_counted_and_told() -> None:
    renewals = holding({"a": HOUR, "b": 2 * HOUR})
    (call,) = called(renewals, NOON + HOUR / 2)
    failed(renewals, call, NOON + HOUR / 2)
    assert (renewals.late, list(renewals.notices())) == (0, [])
    called(renewals, NOON + HOUR * 0.8)
    assert (renewals.late, list(renewals.notices())) == (1, [("a", Notice.LATE)])
    assert list(renewals.notices()) == []


def test_what_is_kept_lets_a_restart_go_on() -> None:
    renewals = holding({"a": HOUR})
    again: NodeRenewals[str] = NodeRenewals(1, salt=8)
    again.begin("a", renewals.kept("a"))
    again.begin("b")
    assert [call.keys for call in called(again, NOON)] == [("b",)]
    assert again.next_at() == NOON + HOUR / 2
