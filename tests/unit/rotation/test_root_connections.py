"""The drain of a change of root: connections made anew on order, measured, or ended by their age."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.root_change_play import (
    BOTH,
    HOUR,
    LATE,
    NEW_LEAVES,
    NEWS,
    NOON,
    OLD,
    ONE_NEW_LEAF,
    SECOND,
    WEB,
    draining,
    link_below,
    the_agent,
    the_sidecar,
)
from trustplane.rotation.change_root import (
    Excused,
    GoneBack,
    Looked,
    Remake,
    Retire,
)
from trustplane.rotation.root_change import (
    Participant,
    Phase,
    Seen,
    Waiver,
)
from trustplane.rotation.root_gates import Lack, waits


def measured(remade: frozenset[str], *others: Seen, **more: object) -> Looked:
    """Everyone shows a new leaf, and the sidecar tells of which orders it has no connection of before any more."""
    sidecar = replace(the_sidecar(BOTH, NEWS, NEWS), remade=remade)
    found = replace(NEW_LEAVES.survey, seen=(the_agent(BOTH, NEWS), sidecar, *others), are_all_measured=True)
    return Looked(replace(found, **more))  # type: ignore[arg-type] # fields checked by replace


NONE_YET: frozenset[str] = frozenset()
ENDED = NOON + HOUR + SECOND  # of the last leaf below the old root
ORDERED = "1/20260801T130001.000000Z"
DONE = frozenset({ORDERED})


def test_connections_are_made_anew_once_no_old_leaf_is_valid_and_whoever_shows_it_is_not_waited_for_by_time() -> None:
    play = draining() >> measured(frozenset({""})) << None  # an old leaf is valid: what is made anew now may show it
    assert play >> ENDED >> measured(NONE_YET) << Remake(ORDERED) >> measured(NONE_YET) << None
    (waiting,) = waits(play.change, measured(NONE_YET).survey, ENDED)
    assert (waiting.lack, waiting.participant, waiting.since, waiting.until) == (Lack.CONNECTION, WEB, ENDED, None)
    assert play >> measured(frozenset({""})) << None
    assert play >> measured(frozenset({"1/20260801T130000.000000Z"})) << None
    assert play >> measured(DONE) << Phase.RETIRE >> measured(DONE) << Retire(OLD)


def test_a_connection_that_is_seen_in_use_does_not_hold_up_the_order_that_would_end_it() -> None:
    seen = measured(NONE_YET, links=(link_below(OLD),))
    play = draining() >> ENDED >> seen << Remake(ORDERED)
    assert {one.lack for one in waits(play.change, seen.survey, ENDED)} == {Lack.CONNECTION, Lack.LINK}
    assert play >> measured(DONE, links=(link_below(OLD),)) << None
    assert play >> measured(DONE) << Phase.RETIRE


def again(after: int) -> Remake:
    return Remake(f"{ORDERED}+20260801T1300{1 + after:02}.000000Z")


def test_the_order_is_given_again_ever_more_rarely_while_someone_who_is_there_shows_nothing() -> None:
    play = draining() >> ENDED >> measured(NONE_YET) << Remake(ORDERED)
    for given, without in ((5, 4), (10, 9), (20, 19), (40, 39)):
        assert play >> ENDED + without * SECOND >> measured(NONE_YET) << None
        assert play >> ENDED + given * SECOND >> measured(NONE_YET) << again(given) >> measured(NONE_YET) << None
    assert play.change.remake == ORDERED, "whichever of them it follows proves the same"
    assert play >> measured(DONE) << Phase.RETIRE


def test_for_someone_who_is_away_nobody_makes_connections_anew_once_more() -> None:
    away = replace(the_sidecar(BOTH, NEWS, NEWS), remade=NONE_YET, is_away=True)
    found = replace(NEW_LEAVES.survey, seen=(the_agent(BOTH, NEWS), away), are_all_measured=True)
    play = draining() >> ENDED >> Looked(found) << Remake(ORDERED)
    assert play >> ENDED + 30 * SECOND >> Looked(found) << None


def test_who_drains_and_shows_nothing_is_waited_for_until_its_connections_are_too_old() -> None:
    play = draining() >> ENDED >> measured(NONE_YET) << Remake(ORDERED)
    repeated = Remake(f"{ORDERED}+20260801T131500.000000Z")
    play = play >> LATE >> measured(NONE_YET) << repeated
    assert play >> measured(NONE_YET) << None
    assert play >> LATE + SECOND >> measured(NONE_YET) << Phase.RETIRE


@pytest.mark.parametrize(
    "kept",
    [
        measured(DONE, are_all_measured=False),
        measured(DONE, Seen(Participant("workload 7 on node-a"), BOTH, None, NEWS, NOON)),
        measured(DONE, Seen(Participant("envoy unix:x on node-a"), BOTH, None, NEWS, NOON)),
        measured(DONE, Seen(Participant("sidecar shop/old on node-a"), BOTH, NEWS, NEWS, NOON)),
    ],
    ids=["a service without sidecar", "a workload", "another Envoy", "a sidecar that ends connections by age"],
)
def test_what_nobody_measures_keeps_its_time(kept: Looked) -> None:
    play = draining() >> ENDED >> kept << Remake(ORDERED) >> LATE >> kept << None
    (waiting,) = waits(play.change, kept.survey, LATE)
    assert (waiting.participant, waiting.until) == (None, LATE)
    assert play >> LATE + SECOND >> kept << Phase.RETIRE


def test_where_nobody_drains_no_order_is_given() -> None:
    assert draining() >> ENDED >> NEW_LEAVES << None


def test_an_old_leaf_that_turns_up_makes_the_order_void() -> None:
    play = draining() >> ENDED >> measured(NONE_YET) << Remake(ORDERED) >> ONE_NEW_LEAF << Phase.SWITCH
    assert play.change.remake == ""
    later = Remake("1/20260801T130002.000000Z")
    assert play >> measured(DONE) << Phase.DRAIN >> ENDED + SECOND >> measured(DONE) << later
    assert play >> GoneBack() << Phase.SWITCH
    assert play.change.told == ""


def test_a_sidecar_that_is_waived_is_not_waited_for_with_its_connections() -> None:
    play = draining() >> ENDED >> measured(NONE_YET) << Remake(ORDERED)
    assert play >> Excused(Waiver(WEB, "gone", "team", "ann", ENDED, LATE)) >> measured(NONE_YET) << Phase.RETIRE
