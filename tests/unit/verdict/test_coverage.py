"""Who judges by a candidate is read from what each sidecar acknowledged; whoever says nothing is not covered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trustplane.registry.candidate import Candidate, Tried
from trustplane.registry.records import Holding, Hosting
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.verdict.coverage import NOT_GIVEN, Cover, Fleet, coverage

PAY, WEB = ServiceName("shop", "pay"), ServiceName("shop", "web")
NODE = NodeName("node-a")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
THINGS = ("extension/candidate-forbids", "extension/candidate-permits")
TRIED = Tried(PAY, b"{}")
CANDIDATE = Candidate("7-0123abcd", NOON + timedelta(hours=1), (TRIED,))
KNOWN = CANDIDATE.known_as(TRIED)
HOSTED = (Hosting(NODE, PAY, NOON),)


def holding(thing: str, held: str = KNOWN, refusal: str = "", desired: str = KNOWN) -> Holding:
    return Holding(NODE, f"sidecar {PAY}", thing, desired, held, refusal, NOON)


def covered(*holdings: Holding) -> Cover:
    (one,) = coverage(CANDIDATE, THINGS, Fleet(HOSTED, holdings, {NODE})).sidecars
    return one.cover


@pytest.mark.parametrize(
    ("holdings", "expected"),
    [
        ((), Cover.SILENT),
        ((holding("route/inbound"),), Cover.SILENT),
        ((holding(THINGS[0]), holding(THINGS[1])), Cover.JUDGES),
        ((holding(THINGS[0]),), Cover.BEHIND),
        ((holding(THINGS[0]), holding(THINGS[1], "6-0123abcd/00")), Cover.BEHIND),
        ((holding(THINGS[0]), holding(THINGS[1], "", "too long")), Cover.REFUSED),
        ((holding(THINGS[0], "x"), holding(THINGS[1], "x"), holding(NOT_GIVEN, "", "unreadable")), Cover.REFUSED),
        ((holding(THINGS[0]), holding(THINGS[1]), holding(NOT_GIVEN, "", "of before", "6-0/0")), Cover.JUDGES),
    ],
)
def test_what_a_sidecar_acknowledged_says_whether_it_judges(holdings: tuple[Holding, ...], expected: Cover) -> None:
    assert covered(*holdings) is expected


def test_what_another_node_or_sidecar_holds_counts_for_nothing() -> None:
    both = [holding(thing) for thing in THINGS]
    assert covered(*(replace(one, node=NodeName("node-b")) for one in both)) is Cover.SILENT
    assert covered(*(replace(one, participant=f"sidecar {WEB}") for one in both)) is Cover.SILENT


def test_a_service_without_a_sidecar_and_an_agent_that_is_away_are_named() -> None:
    assert coverage(CANDIDATE, THINGS, Fleet((), (), ())).without_sidecar == (PAY,)
    found = coverage(CANDIDATE, THINGS, Fleet(HOSTED, tuple(map(holding, THINGS)), ()))
    assert (found.judging, found.sidecars[0].is_away) == (1, True)


def test_sidecars_that_it_decides_nothing_new_about_are_not_asked() -> None:
    hosted = (*HOSTED, Hosting(NODE, WEB, NOON))
    assert [one.service for one in coverage(CANDIDATE, THINGS, Fleet(hosted, (), {NODE})).sidecars] == [PAY]
