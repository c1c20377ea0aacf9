"""Transcripts of one leaf: `>>` tells the machine something, `<<` is all that it answers, and asserts so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from trustplane.rotation.leaf import (
    CLOCK_SLACK,
    FIRST,
    LONGEST,
    LONGEST_ANSWER,
    LONGEST_ASKED,
    LONGEST_EMPTY,
    SHORTEST,
    TICKED,
    Ask,
    AskAt,
    Deferred,
    Effect,
    Event,
    Failed,
    Issued,
    Kept,
    LeafRenewal,
    Moved,
    Notice,
    Noticed,
    Phase,
    Revoked,
    Superseded,
)

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
HALF_PAST = NOON + 30 * MINUTE
LEAF = Issued(HALF_PAST, NOON + HOUR)
SOON = object()  # an AskAt, at an instant that the jitter decides


@dataclass
class Play:
    leaf: LeafRenewal = field(default_factory=lambda: LeafRenewal(6, addresses=3))
    at: datetime = NOON
    answer: tuple[Effect, ...] = ()

    def __rshift__(self, told: Event | datetime) -> Play:
        if isinstance(told, datetime):
            self.at = told
            return self
        self.answer = self.leaf.feed(told, self.at)
        return self

    def __lshift__(self, expected: Sequence[object] | object) -> Play:
        wanted = expected if isinstance(expected, tuple) else (expected,)
        assert len(self.answer) == len(wanted), self.answer
        for effect, want in zip(self.answer, wanted, strict=True):
            assert isinstance(effect, AskAt) if want is SOON else effect == want, self.answer
        return self

    def __bool__(self) -> bool:
        """A leaf at rest has an instant to be renewed at, whatever has been told."""
        return self.leaf.phase is not Phase.FRESH or self.leaf.renew_at is not None

    @property
    def again_at(self) -> datetime:
        """When the machine wants to be told the time."""
        return next(effect.at for effect in self.answer if isinstance(effect, AskAt))


NOTHING = ()


def ask(address: int) -> Ask:
    return Ask(address, LONGEST_ANSWER)


def test_a_leaf_is_asked_for_at_once_and_renewed_when_the_server_said() -> None:
    assert (
        Play()
        >> TICKED << ask(0)
        >> LEAF << AskAt(HALF_PAST)
        >> NOON + 29 * MINUTE >> TICKED << AskAt(HALF_PAST)
        >> HALF_PAST >> TICKED << ask(0)
        >> TICKED << NOTHING
        >> Issued(HALF_PAST + 30 * MINUTE, HALF_PAST + HOUR) << AskAt(HALF_PAST + 30 * MINUTE)
    )  # fmt: skip


def test_one_failure_is_nobodys_business_and_the_next_address_is_asked() -> None:
    play = Play() >> TICKED >> LEAF >> HALF_PAST >> TICKED << ask(0) >> Failed(0) << SOON
    assert SHORTEST <= play.again_at - HALF_PAST <= 3 * FIRST
    assert play >> play.again_at >> TICKED << ask(1) >> Failed(1) << SOON
    assert play >> play.again_at >> TICKED << ask(2) >> Failed(2) << SOON
    assert play >> play.again_at >> TICKED << ask(0)


def test_a_server_that_gives_turns_is_asked_again_and_at_the_turn() -> None:
    assert (
        Play()
        >> TICKED >> LEAF >> HALF_PAST >> TICKED
        >> Deferred(0, 3 * MINUTE) << AskAt(HALF_PAST + 3 * MINUTE)
        >> HALF_PAST + 2 * MINUTE >> TICKED << AskAt(HALF_PAST + 3 * MINUTE)
        >> HALF_PAST + 3 * MINUTE >> TICKED << ask(0)
    )  # fmt: skip


def test_a_server_that_cannot_is_left_for_the_next_and_what_it_asks_is_the_least_wait() -> None:
    play = Play() >> TICKED >> LEAF >> HALF_PAST >> TICKED
    assert play >> Failed(0, retry_after=MINUTE) << AskAt(HALF_PAST + MINUTE)
    assert play >> HALF_PAST + MINUTE >> TICKED << ask(1) >> Failed(1, retry_after=SHORTEST) << SOON
    assert play.again_at - play.at >= FIRST, "its own waits go on growing"


def test_a_new_leaf_brings_it_back_to_the_server_it_is_connected_to() -> None:
    play = Play() >> TICKED >> Failed(0) >> NOON + MINUTE >> TICKED << ask(1) >> LEAF
    assert play >> HALF_PAST >> TICKED << ask(0)


def test_no_wait_is_kept_past_half_of_the_life_left() -> None:
    late = NOON + 58 * MINUTE
    play = Play() >> TICKED >> LEAF >> late >> TICKED
    assert play >> Deferred(0, 4 * MINUTE) << AskAt(late + MINUTE)


def test_no_server_silences_an_agent() -> None:
    for answer in (Deferred(0, timedelta(days=1)), Failed(0, retry_after=timedelta(days=1))):
        assert Play() >> TICKED >> answer << AskAt(NOON + LONGEST_ASKED)
    assert Play() >> TICKED >> Deferred(0, timedelta(days=-1)) << AskAt(NOON + SHORTEST)


def test_waits_are_capped_and_shorten_as_expiry_nears_and_never_end() -> None:
    play = Play() >> TICKED >> LEAF >> HALF_PAST
    waits: list[tuple[timedelta, timedelta]] = []
    while play.at < NOON + 2 * HOUR:
        assert play >> TICKED >> Failed(len(waits) % 3)
        waits.append((NOON + HOUR - play.at, play.again_at - play.at))
        assert play >> play.again_at
    assert all(wait <= max(SHORTEST, min(LONGEST, left / 8)) for left, wait in waits if left > timedelta(0))
    assert all(wait <= LONGEST_EMPTY for left, wait in waits if left <= timedelta(0))
    assert any(wait > MINUTE / 2 for _, wait in waits)
    assert any(timedelta(0) < left < 2 * timedelta(seconds=1) for left, _ in waits)


def test_leaves_that_failed_together_do_not_come_back_together() -> None:
    def fifth_attempt(salt: int) -> datetime:
        play = Play(LeafRenewal(salt)) >> TICKED >> LEAF >> HALF_PAST >> TICKED >> Failed(0)
        for _ in range(4):
            assert play >> play.again_at >> TICKED >> Failed(0)
        return play.again_at

    seconds = {(fifth_attempt(salt) - HALF_PAST) // timedelta(seconds=1) for salt in range(300)}
    assert len(seconds) > 30


def test_first_waits_fill_their_span_evenly_also_when_salts_count_up() -> None:
    def first_wait(salt: int) -> timedelta:
        play = Play(LeafRenewal(salt)) >> TICKED >> LEAF >> HALF_PAST >> TICKED >> Failed(0)
        return play.again_at - HALF_PAST

    waits = sorted(first_wait(salt) for salt in range(2000))
    assert all(timedelta(seconds=1 + 2 * n / 2000 - 0.1) < wait for n, wait in enumerate(waits))
    assert all(wait < timedelta(seconds=1 + 2 * n / 2000 + 0.1) for n, wait in enumerate(waits))
    assert first_wait(7) == first_wait(7)


def test_lateness_and_expiry_are_told_once_and_their_end_too() -> None:
    play = Play() >> TICKED >> LEAF >> HALF_PAST >> TICKED << ask(0) >> Failed(0) << SOON
    assert play >> NOON + 46 * MINUTE >> TICKED << (Noticed(Notice.LATE), ask(1))
    assert play.leaf.late
    assert play >> Failed(1) << SOON >> NOON + HOUR >> TICKED << (Noticed(Notice.EXPIRED), ask(2))
    assert play >> Failed(2) << SOON >> NOON + 2 * HOUR >> TICKED << ask(0)
    again = Issued(NOON + 150 * MINUTE, NOON + 3 * HOUR)
    assert play >> again << (Noticed(Notice.RECOVERED), AskAt(again.renew_at))
    assert not play.leaf.late


def test_an_answer_to_a_question_that_is_over_changes_nothing() -> None:
    assert Play() >> TICKED >> Failed(0) >> NOON + MINUTE >> TICKED << ask(1) >> Failed(0) << NOTHING
    assert Play() >> TICKED >> Failed(0) >> NOON + MINUTE >> TICKED << ask(1) >> Deferred(0, MINUTE) << NOTHING
    assert Play() >> TICKED >> LEAF >> Failed(0) << NOTHING


def test_the_server_may_ask_to_come_earlier_and_never_later() -> None:
    play = Play() >> TICKED >> LEAF
    assert play >> Moved(NOON + 20 * MINUTE) << AskAt(NOON + 20 * MINUTE)
    assert play >> Moved(NOON + 25 * MINUTE) << NOTHING
    assert play >> Moved(NOON - HOUR) << AskAt(NOON)


def test_what_is_superseded_or_revoked_is_replaced_at_once() -> None:
    for event in (Superseded(), Revoked()):
        assert Play() >> TICKED >> LEAF >> event << ask(0)
        assert Play() >> TICKED >> Deferred(0, MINUTE) >> event << ask(0)
        # What is on its way may be of the old kind.
        assert Play() >> TICKED >> event << NOTHING >> LEAF << ask(0)


def test_a_revoked_leaf_is_not_kept() -> None:
    play = Play() >> TICKED >> LEAF >> Revoked()
    assert play.leaf.kept is None


def test_a_restart_goes_on_where_it_was() -> None:
    play = Play() >> TICKED >> LEAF
    kept = play.leaf.kept
    assert kept == Kept(HALF_PAST, NOON + HOUR, NOON)
    assert kept is not None
    assert Play(LeafRenewal(6, 3, kept), NOON + MINUTE) >> TICKED << AskAt(HALF_PAST)
    assert Play(LeafRenewal(6, 3, kept), NOON + 40 * MINUTE) >> TICKED << ask(0)
    slow = replace(kept, attempt=9, wait=MINUTE)
    play = Play(LeafRenewal(6, 3, slow), HALF_PAST) >> TICKED >> Failed(0)
    assert play.again_at - HALF_PAST > MINUTE / 2


def test_after_a_suspend_past_expiry_it_asks_at_once() -> None:
    assert Play() >> TICKED >> LEAF >> NOON + 9 * HOUR >> TICKED << (Noticed(Notice.EXPIRED), ask(0))


def test_a_clock_set_back_is_told_and_a_new_leaf_asked_for() -> None:
    play = Play() >> TICKED >> LEAF >> NOON - CLOCK_SLACK >> TICKED << AskAt(HALF_PAST)
    assert play >> NOON - HOUR >> TICKED << (Noticed(Notice.CLOCK_SET_BACK), ask(0))
    # And a wait is over that a clock set back would have made longer than any leaf can bear.
    assert Play() >> TICKED >> Failed(0) >> NOON - HOUR >> TICKED << ask(1)
    assert Play() >> TICKED >> Failed(0) >> NOON - MINUTE >> TICKED << ask(1)


def test_an_instant_that_makes_no_sense_here_is_bounded() -> None:
    def due(renew_at: datetime, not_after: datetime = NOON + HOUR) -> datetime:
        return (Play() >> TICKED >> Issued(renew_at, not_after)).again_at

    assert NOON < due(NOON - HOUR) <= NOON + LONGEST
    assert due(NOON + HOUR) < NOON + HOUR
    assert due(NOON, NOON - HOUR) > NOON  # by this clock over before it began


def test_its_phase_can_be_shown() -> None:
    play = Play()
    shown = [play.leaf.phase]
    for event in (TICKED, Failed(0), LEAF):
        assert play >> event
        shown.append(play.leaf.phase)
    assert shown == [Phase.EMPTY, Phase.ASKING, Phase.WAITING, Phase.FRESH]
