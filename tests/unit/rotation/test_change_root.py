"""A change of root step by step, as transcripts of the machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.root_change_play import (
    ACTIVE,
    AGE,
    ALL_NEW,
    ALL_TOOK_IT_UP,
    BOTH,
    DRAINING,
    HOUR,
    LATE,
    MADE,
    NEW,
    NEW_LEAVES,
    NEWS,
    NOBODY_TOOK_IT_UP,
    NOON,
    NOTHING_MADE,
    OLD,
    OLD_LEAVES,
    OLDS,
    ONE_NEW_LEAF,
    ONE_TOOK_IT_UP,
    ORDER,
    PROVEN,
    READY,
    RETIRED,
    SECOND,
    STILL_BOTH,
    WEB,
    Play,
    a_survey,
    at_the_switch,
    draining,
    the_agent,
    the_sidecar,
)
from trustplane.fault import Refused
from trustplane.rotation.change_root import (
    Excused,
    GoneBack,
    Looked,
    MakeRoot,
    Paused,
    PrepareIssuers,
    Publish,
    Resumed,
    Retire,
    Switch,
    feed,
)
from trustplane.rotation.root_change import (
    LONGEST_WAIVER,
    Order,
    Participant,
    Phase,
    Seen,
    Waiver,
    begun,
)
from trustplane.rotation.root_gates import Lack, waits


def test_time_opens_no_gate() -> None:
    play = Play() >> NOTHING_MADE >> MADE >> READY >> NOBODY_TOOK_IT_UP << Phase.PUBLISH >> ONE_TOOK_IT_UP << None
    assert play >> NOON + 1000 * HOUR >> ONE_TOOK_IT_UP << None >> ALL_TOOK_IT_UP << Phase.VERIFY


def test_a_change_from_beginning_to_end() -> None:
    assert (
        at_the_switch()
        >> PROVEN
        << Switch(OLD, NEW)
        >> OLD_LEAVES
        << None
        >> ONE_NEW_LEAF
        << None
        >> NEW_LEAVES
        << Phase.DRAIN
        >> LATE  # just as old as a connection may get that was made in the last second of a leaf
        >> NEW_LEAVES
        << None
        >> LATE + SECOND
        >> NEW_LEAVES
        << Phase.RETIRE
        >> NEW_LEAVES
        << Retire(OLD)
        >> STILL_BOTH
        << Phase.VERIFY_AGAIN
        >> STILL_BOTH
        << None
        >> ALL_NEW
        << Phase.DONE
        >> ALL_NEW
        << None
    )


def test_the_last_leaf_below_the_old_root_has_ended_before_it_leaves() -> None:
    play = draining() >> NOON + HOUR  # exactly its end: it may still be valid
    assert play >> NEW_LEAVES << None
    assert [one.lack for one in waits(play.change, NEW_LEAVES.survey, play.at)] == [
        Lack.LIVE_LEAF,
        Lack.CONNECTION,
    ]
    # Whoever kept it may have connected in its last second.
    assert play >> NOON + HOUR + AGE >> Looked(replace(NEW_LEAVES.survey, last_leaf={})) << None
    assert play >> NOON + HOUR + AGE + SECOND >> NEW_LEAVES << Phase.RETIRE


def test_what_is_not_proven_done_is_asked_for_again() -> None:
    assert at_the_switch() >> PROVEN << Switch(OLD, NEW) >> PROVEN << Switch(OLD, NEW)
    assert Play() >> NOTHING_MADE << MakeRoot() >> NOTHING_MADE << MakeRoot()


def test_who_comes_before_the_switch_is_waited_for() -> None:
    newcomer = Seen(Participant("sidecar shop/new on node-b"), OLDS, frozenset(), OLDS, NOON)
    later = Looked(replace(PROVEN.survey, seen=(*PROVEN.survey.seen, newcomer)))
    assert at_the_switch() >> later << Phase.VERIFY >> later << None >> PROVEN << Phase.SWITCH


def test_an_old_leaf_that_turns_up_again_ends_the_drain() -> None:
    assert draining() >> ONE_NEW_LEAF << Phase.SWITCH >> NEW_LEAVES << Phase.DRAIN


def test_a_paused_change_does_nothing_until_it_is_resumed() -> None:
    assert at_the_switch() >> Paused() << None >> PROVEN << None >> Resumed() << None >> PROVEN << Switch(OLD, NEW)


def test_before_the_switch_going_back_takes_the_new_root_out_again() -> None:
    gone = {OLD: ACTIVE, NEW: RETIRED}
    assert (
        Play(replace(begun(1, OLD, ORDER, NOON), coming=NEW, phase=Phase.VERIFY))
        >> GoneBack()
        << Phase.SWITCH
        >> ONE_TOOK_IT_UP
        << Phase.DRAIN
        >> ONE_TOOK_IT_UP
        << Phase.RETIRE
        >> ONE_TOOK_IT_UP
        << Retire(NEW)
        >> a_survey(the_agent(BOTH), the_sidecar(), roots=gone)
        << Phase.VERIFY_AGAIN
        >> a_survey(the_agent(), the_sidecar(), roots=gone)
        << Phase.ABORTED
    )


def test_after_the_switch_going_back_is_the_same_way_with_the_roots_exchanged() -> None:
    back = {OLD: ACTIVE, NEW: DRAINING}
    new_leaf = Looked(replace(NEW_LEAVES.survey, last_leaf={OLD: NOON + HOUR, NEW: NOON + 2 * HOUR}))
    old_again = Looked(replace(OLD_LEAVES.survey, roots=back, last_leaf={NEW: NOON + 2 * HOUR}))
    assert (
        draining()
        >> GoneBack()
        << Phase.SWITCH
        >> Looked(replace(new_leaf.survey, are_issuers_ready=NEWS))
        << PrepareIssuers(OLD)
        >> new_leaf
        << Switch(NEW, OLD)
        >> Looked(replace(new_leaf.survey, roots=back))
        << None
        >> old_again
        << Phase.DRAIN
        >> NOON + 2 * HOUR + AGE
        >> old_again
        << None
        >> NOON + 2 * HOUR + AGE + SECOND
        >> old_again
        << Phase.RETIRE
        >> old_again
        << Retire(NEW)
        >> a_survey(the_agent(OLDS), the_sidecar(OLDS), roots={OLD: ACTIVE, NEW: RETIRED})
        << Phase.VERIFY_AGAIN
        >> a_survey(the_agent(OLDS), the_sidecar(OLDS), roots={OLD: ACTIVE, NEW: RETIRED})
        << Phase.ABORTED
    )


def test_a_change_that_has_made_nothing_yet_is_over_at_once() -> None:
    assert Play() >> GoneBack() << Phase.ABORTED


def test_a_switch_that_came_after_all_is_taken_back() -> None:
    """An operator took the change back while a replica was switching."""
    assert at_the_switch() >> GoneBack() << Phase.SWITCH >> NEW_LEAVES << Switch(NEW, OLD)


@pytest.mark.parametrize("phase", [Phase.RETIRE, Phase.VERIFY_AGAIN, Phase.DONE, Phase.ABORTED])
def test_from_the_retirement_on_nothing_is_taken_back(phase: Phase) -> None:
    late = Play(replace(draining().change, phase=phase))
    with pytest.raises(Refused) as refused:
        assert late >> GoneBack()
    assert refused.value.code == ("rotation-over" if phase.is_over else "rotation-too-late")


def test_going_back_is_not_taken_back() -> None:
    with pytest.raises(Refused) as refused:
        assert draining() >> GoneBack() >> GoneBack()
    assert refused.value.code == "rotation-goes-back"


def test_a_waiver_excuses_one_participant_until_it_ends() -> None:
    waiver = Waiver(WEB, "burnt down", "team-shop", "ann", NOON, NOON + HOUR)
    play = Play() >> NOTHING_MADE >> READY >> NOBODY_TOOK_IT_UP << Phase.PUBLISH >> Excused(waiver) << None
    assert play >> ONE_TOOK_IT_UP << Phase.VERIFY >> ONE_TOOK_IT_UP << Phase.SWITCH
    assert play >> NOON + HOUR >> ONE_TOOK_IT_UP << Phase.VERIFY >> ONE_TOOK_IT_UP << None
    assert [one.participant for one in waits(play.change, ONE_TOOK_IT_UP.survey, play.at)] == [WEB, WEB]


def test_an_emergency_waits_for_nobody_who_is_away_and_for_no_expiry() -> None:
    urgent = Play(begun(1, OLD, Order("ann", "key stolen", is_emergency=True), NOON))
    asleep = Seen(Participant("agent node-b"), OLDS, None, OLDS, NOON, is_away=True)

    def with_asleep(looked: Looked) -> Looked:
        return Looked(replace(looked.survey, seen=(*looked.survey.seen, asleep)))

    assert (
        urgent
        >> with_asleep(READY)
        << Publish(NEW)
        >> with_asleep(ONE_TOOK_IT_UP)
        << Phase.PUBLISH
        >> with_asleep(ONE_TOOK_IT_UP)
        << None  # who is here is waited for
        >> with_asleep(PROVEN)
        << Phase.VERIFY
        >> with_asleep(PROVEN)
        << Phase.SWITCH
        >> with_asleep(PROVEN)
        << Switch(OLD, NEW)
        >> with_asleep(ONE_NEW_LEAF)
        << None
        >> with_asleep(NEW_LEAVES)
        << Phase.DRAIN
        >> with_asleep(NEW_LEAVES)
        << Phase.RETIRE
        >> with_asleep(NEW_LEAVES)
        << Retire(OLD)
    )


def test_who_is_waited_for_is_named_with_what_would_unblock_it() -> None:
    play = Play() >> NOTHING_MADE >> READY >> NOBODY_TOOK_IT_UP << Phase.PUBLISH
    told = [(str(one.participant), one.since, one.unblock) for one in waits(play.change, READY.survey, NOON)]
    assert told == [
        ("agent node-a", NOON, "on node-a: trustplane agent status; start or wake the agent"),
        ("sidecar shop/web on node-a", NOON, "on node-a: trustplane agent status, and the end of the proxy's log"),
    ]


@pytest.mark.parametrize("name", ["", "shop/web", "agent", "agent ", "gateway x", "agent a  b", "agent " + "x" * 500])
def test_a_participant_has_a_kind_and_a_name(name: str) -> None:
    with pytest.raises(Refused) as refused:
        Participant(name)
    assert refused.value.code == "bad-participant"


@pytest.mark.parametrize(
    ("reason", "owner", "life", "code"),
    [
        (" ", "team", HOUR, "bad-waiver"),
        ("gone", "", HOUR, "bad-waiver"),
        ("g" * 501, "team", HOUR, "bad-waiver"),
        ("gone", "team", timedelta(0), "bad-waiver-end"),
        ("gone", "team", LONGEST_WAIVER + SECOND, "bad-waiver-end"),
    ],
)
def test_a_waiver_has_a_reason_an_owner_and_an_end(reason: str, owner: str, life: timedelta, code: str) -> None:
    with pytest.raises(Refused) as refused:
        Waiver(WEB, reason, owner, "ann", NOON, NOON + life)
    assert refused.value.code == code


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_change_has_a_reason(reason: str) -> None:
    with pytest.raises(Refused) as refused:
        Order("ann", reason)
    assert refused.value.code == "bad-rotation-reason"


def test_a_root_below_which_no_leaf_is_left_leaves_when_connections_are_old_enough() -> None:
    none_left = Looked(replace(NEW_LEAVES.survey, last_leaf={}))
    at_once = at_the_switch() >> PROVEN << Switch(OLD, NEW) >> none_left << Phase.DRAIN >> NOON + AGE
    assert at_once >> none_left << None >> NOON + AGE + SECOND >> none_left << Phase.RETIRE >> none_left << Retire(OLD)


@pytest.mark.parametrize(
    ("phase", "survey"),
    [
        (Phase.PUBLISH, ALL_TOOK_IT_UP),
        (Phase.VERIFY, PROVEN),
        (Phase.DRAIN, NEW_LEAVES),
        (Phase.VERIFY_AGAIN, ALL_NEW),
    ],
    ids=lambda one: one.value if isinstance(one, Phase) else "",
)
def test_whoever_contradicts_itself_is_waited_for_in_every_phase_and_named_once(phase: Phase, survey: Looked) -> None:
    change = replace(begun(1, OLD, ORDER, NOON), phase=phase, coming=NEW, replaced_at=NOON, last_leaf=NOON)
    agent, sidecar = survey.survey.seen
    doubted = replace(survey.survey, seen=(agent, replace(sidecar, doubt="its /certs shows other roots", trusts=OLDS)))
    found = [one for one in waits(change, doubted, LATE + HOUR) if one.participant == WEB]
    assert [(one.lack, one.refusal) for one in found] == [(Lack.DOUBT, "its /certs shows other roots")]
    assert "on node-a: look at that proxy's process" in found[0].unblock
    assert feed(change, Looked(doubted), LATE + HOUR)[0].phase is phase
    waiver = Waiver(WEB, "known", "team", "ann", LATE, LATE + 2 * HOUR)
    assert not [one for one in waits(replace(change, waivers=(waiver,)), doubted, LATE + HOUR) if one.participant]
