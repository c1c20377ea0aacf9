"""One leaf against any network: it always goes on, never asks twice at once, and never asks in a circle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trustplane.rotation.leaf import (
    LONGEST_ASKED,
    SHORTEST,
    TICKED,
    Ask,
    AskAt,
    Deferred,
    Event,
    Failed,
    Issued,
    LeafRenewal,
    Moved,
    Phase,
    Revoked,
    Superseded,
)

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
seconds = st.floats(-100_000, 100_000).map(lambda number: timedelta(seconds=number))


class Leaf(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.at = NOON
        self.leaf = LeafRenewal(1, 3)
        self.asked: Ask | None = None
        self.again_at: datetime | None = NOON

    def feed(self, event: Event) -> None:
        for effect in self.leaf.feed(event, self.at):
            match effect:
                case Ask():
                    assert self.asked is None, "two questions at once"
                    assert 0 <= effect.address < 3
                    assert effect.within > timedelta(0)
                    self.asked, self.again_at = effect, None
                case AskAt():
                    self.again_at = effect.at
                case _:
                    continue

    @rule()
    def its_time_comes(self) -> None:
        if self.again_at is not None:
            self.at = max(self.at, self.again_at)
            self.feed(TICKED)
            assert self.asked is not None

    @rule(moved=seconds)
    def any_other_time(self, moved: timedelta) -> None:
        self.at += moved
        self.feed(TICKED)

    @precondition(lambda self: self.asked is not None)
    @rule(renew=seconds, life=seconds)
    def a_leaf_comes(self, renew: timedelta, life: timedelta) -> None:
        self.asked = None
        self.feed(Issued(self.at + renew, self.at + life))
        if self.asked is None:
            assert self.again_at is not None
            assert self.again_at > self.at
            assert life <= timedelta(0) or self.again_at < self.at + max(life, 2 * SHORTEST)

    @precondition(lambda self: self.asked is not None)
    @rule(wait=st.none() | seconds)
    def a_question_fails(self, wait: timedelta | None) -> None:
        assert self.asked is not None
        failed, self.asked = Failed(self.asked.address, wait), None
        self.feed(failed)
        assert self.again_at is not None
        assert SHORTEST <= self.again_at - self.at <= LONGEST_ASKED

    @precondition(lambda self: self.asked is not None)
    @rule(turn=seconds)
    def a_turn_is_given(self, turn: timedelta) -> None:
        assert self.asked is not None
        deferred, self.asked = Deferred(self.asked.address, turn), None
        self.feed(deferred)
        assert self.again_at is not None
        assert SHORTEST <= self.again_at - self.at <= LONGEST_ASKED

    @rule(address=st.integers(0, 2))
    def an_old_answer_comes(self, address: int) -> None:
        if self.asked is None or self.asked.address != address:
            self.feed(Failed(address))

    @rule(moved=seconds)
    def the_server_moves_it(self, moved: timedelta) -> None:
        before = self.again_at
        self.feed(Moved(self.at + moved))
        assert before is None or self.again_at is None or self.again_at <= max(before, self.at)

    @rule(event=st.sampled_from([Superseded(), Revoked()]))
    def another_is_wanted(self, event: Event) -> None:
        self.feed(event)
        assert self.asked is not None

    @rule()
    def the_agent_restarts(self) -> None:
        self.leaf, self.asked = LeafRenewal(1, 3, self.leaf.kept), None
        self.feed(TICKED)

    @invariant()
    def it_always_goes_on(self) -> None:
        assert (self.asked is not None) == (self.leaf.phase is Phase.ASKING)
        assert self.asked is not None or self.again_at is not None


TestLeaf = Leaf.TestCase
TestLeaf.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
