"""Rehearsals: what passes, what does not, and that none holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from trustplane.fault import Unavailable
from trustplane.flows.rehearsal import Check, Outcome, Rehearsal, Rehearse, Verdict, cannot_run

GOOD, BAD = Check("it is refused", "it was", holds=True), Check("it is refused", "it was served", holds=False)


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def begins(self, rehearsal: Rehearsal) -> None:
        self.heard.append(f"begins {rehearsal.name}")

    def ended(self, outcome: Outcome) -> None:
        self.heard.append(f"ended {outcome.name}")


def showing(name: str, *checks: Check) -> Rehearsal:
    async def play() -> Sequence[Check]:
        return checks

    return Rehearsal(name, "a fault", "what must happen", play)


def raising(fault: Exception) -> Rehearsal:
    async def play() -> Sequence[Check]:
        raise fault

    return Rehearsal("raising", "a fault", "what must happen", play)


def without_end() -> Rehearsal:
    async def play() -> Sequence[Check]:
        await asyncio.Event().wait()
        return (GOOD,)

    return Rehearsal("endless", "a fault", "what must happen", play)


def played(*lanes: Iterator[Rehearsal], limit: float = 30.0) -> tuple[Outcome, ...]:
    rehearse = Rehearse(Listener(), lambda: timedelta(0), timedelta(seconds=limit))
    return asyncio.run(rehearse.run(lanes))


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [((GOOD, GOOD), Verdict.PASSED), ((GOOD, BAD), Verdict.FAILED), ((), Verdict.FAILED)],
    ids=["all hold", "one does not", "nothing was looked at"],
)
def test_it_passes_when_something_was_looked_at_and_all_of_it_holds(
    checks: tuple[Check, ...], verdict: Verdict
) -> None:
    (outcome,) = played(iter([showing("one", *checks)]))
    assert outcome.verdict is verdict
    assert outcome.checks == checks


def test_a_fault_is_a_failure_that_says_what_ended_it() -> None:
    fault = Unavailable(code="gone", what="the server is gone", why="it was ended", fix="start it")
    (outcome,) = played(iter([raising(fault)]))
    assert (outcome.verdict, outcome.ended_by) == (Verdict.FAILED, fault.finding)


def test_what_cannot_be_played_here_has_not_passed_and_is_told_apart() -> None:
    (outcome,) = played(iter([raising(cannot_run("no network", "you are not root", "be root"))]))
    assert outcome.verdict is Verdict.CANNOT_RUN
    assert outcome.ended_by
    assert outcome.ended_by.fix == "be root"


def test_one_without_end_is_ended_and_the_next_is_played() -> None:
    endless, after = played(iter([without_end(), showing("after", GOOD)]), limit=0.01)
    assert (endless.verdict, after.verdict) == (Verdict.FAILED, Verdict.PASSED)
    assert endless.ended_by
    assert endless.ended_by.code == "rehearsal-too-long"


def test_a_defect_of_ours_is_no_outcome() -> None:
    with pytest.raises(ExceptionGroup) as found:
        played(iter([raising(ZeroDivisionError())]))
    assert found.group_contains(ZeroDivisionError)


def test_lanes_that_share_an_iterator_play_each_rehearsal_once() -> None:
    shared = iter([showing(str(number), GOOD) for number in range(5)])
    assert sorted(one.name for one in played(shared, shared, shared)) == ["0", "1", "2", "3", "4"]


def test_the_audience_hears_of_each_when_it_begins_and_ends() -> None:
    listener = Listener()
    rehearse = Rehearse(listener, lambda: timedelta(0), timedelta(seconds=30))
    asyncio.run(rehearse.run([iter([showing("one", GOOD), showing("two", BAD)])]))
    assert listener.heard == ["begins one", "ended one", "begins two", "ended two"]
