"""A promotion is refused with every reason at once; what is expected is declared word by word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.policies import PAYMENTS, WEB, policy_book
from trustplane.fault import Refused
from trustplane.spiffe.names import NodeName
from trustplane.verdict.coverage import Cover, Coverage, Covered
from trustplane.verdict.dry_run import DryRun, End, Ended
from trustplane.verdict.dry_run_report import Difference, Exercise, Report
from trustplane.verdict.expectations import expectations
from trustplane.verdict.promotion import Gate, Standing, lacks
from trustplane.verdict.tally import Tally

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RUN = DryRun(7, "0123abcd" * 8, {}, "local:ann", NOON, NOON + 7 * DAY, 3)
COVERED = Covered(PAYMENTS, NodeName("node-a"), Cover.JUDGES, NOON)
DENIED = Difference(PAYMENTS, "charge", WEB, "all", None, "POST /charge", Tally(5, NOON, NOON))
USED = (Exercise(PAYMENTS, "charge", 9), Exercise(PAYMENTS, "refund", 3))
GOOD = Standing(RUN, None, Coverage((COVERED,), ()), Report((), (), USED, 12))
STATE = policy_book().state
GATE = Gate(DAY)


def codes(standing: Standing, gate: Gate = GATE, now: datetime = NOON + DAY) -> list[str]:
    return [one.code for one in lacks(standing, gate, now)]


def test_what_has_shown_enough_lacks_nothing() -> None:
    assert codes(GOOD) == []


def test_every_reason_is_said_at_once() -> None:
    report = Report((DENIED,), (), (Exercise(PAYMENTS, "charge", 5), Exercise(PAYMENTS, "refund", 0)), 5)
    behind = replace(COVERED, cover=Cover.REFUSED, refusal="regex too long")
    found = lacks(Standing(RUN, None, Coverage((behind,), (PAYMENTS,)), report), GATE, NOON + DAY / 2)
    assert [one.code for one in found] == [
        "dry-run-too-short",
        "dry-run-not-covered",
        "dry-run-not-covered",
        "dry-run-unexpected-denial",
        "dry-run-not-exercised",
    ]
    assert "5 requests" in found[3].what
    assert found[1].why == "regex too long"


@pytest.mark.parametrize("how", End)
def test_one_that_is_over_is_not_promoted(how: End) -> None:
    assert codes(replace(GOOD, ended=Ended(how, NOON, "ann"))) == ["dry-run-over"]


@pytest.mark.parametrize("cover", [one for one in Cover if one is not Cover.JUDGES])
def test_a_sidecar_that_does_not_judge_is_never_taken_for_one_that_agrees(cover: Cover) -> None:
    assert codes(replace(GOOD, coverage=Coverage((replace(COVERED, cover=cover),), ()))) == ["dry-run-not-covered"]


def test_neither_is_one_whose_agent_is_away() -> None:
    assert codes(replace(GOOD, coverage=Coverage((replace(COVERED, is_away=True),), ()))) == ["dry-run-not-covered"]


def test_an_expected_denial_is_expected_of_that_caller_and_operation_alone() -> None:
    standing = replace(GOOD, report=replace(GOOD.report, newly_denied=(DENIED,)))
    expected = expectations(STATE, ["deny shop/web charge payments"])
    assert codes(standing, replace(GATE, expected=expected)) == []
    for other in ("deny checkout charge payments", "deny web refund payments", "deny web - payments"):
        gate = replace(GATE, expected=expectations(STATE, [other]))
        assert codes(standing, gate) == ["dry-run-unexpected-denial"]
    nobody = replace(GOOD, report=replace(GOOD.report, newly_denied=(replace(DENIED, caller=None),)))
    assert codes(nobody, replace(GATE, expected=expected)) == ["dry-run-unexpected-denial"]


def test_what_the_finding_says_to_expect_is_what_is_expected() -> None:
    standing = replace(GOOD, report=replace(GOOD.report, newly_denied=(replace(DENIED, operation=None),)))
    (finding,) = lacks(standing, GATE, NOON + DAY)
    line = finding.fix.partition('--expect "')[2].removesuffix('"')
    assert codes(standing, replace(GATE, expected=expectations(STATE, [line]))) == []


def test_an_operation_is_used_as_often_as_is_asked_or_declared_idle() -> None:
    assert codes(GOOD, replace(GATE, least=4)) == ["dry-run-not-exercised"]
    assert codes(GOOD, replace(GATE, least=4, expected=expectations(STATE, ["idle refund payments"]))) == []
    assert (
        codes(replace(GOOD, report=replace(GOOD.report, exercised=(Exercise(PAYMENTS, "charge", 0),))), Gate(DAY, 0))
        == []
    )


def test_requests_that_nobody_counted_are_named_unless_so_many_are_known_of() -> None:
    standing = replace(GOOD, report=replace(GOOD.report, lost=12))
    (finding,) = lacks(standing, GATE, NOON + DAY)
    assert (finding.code, finding.what[:3]) == ("dry-run-uncounted", "12 ")
    line = finding.fix.partition('--expect "')[2].removesuffix('"')
    assert codes(standing, replace(GATE, expected=expectations(STATE, [line]))) == []
    assert codes(standing, replace(GATE, expected=expectations(STATE, ["uncounted 11"]))) == ["dry-run-uncounted"]


@pytest.mark.parametrize("wrong", ["", " -1", " ²", " 1e3", f" {'9' * 5000}"])
def test_a_number_of_uncounted_requests_is_a_number(wrong: str) -> None:
    with pytest.raises(Refused, match="declares nothing"):
        expectations(STATE, [f"uncounted{wrong}"])


def test_expectations_that_say_nothing_are_all_named() -> None:
    with pytest.raises(Refused) as refusal:
        expectations(STATE, ["deny web charge", "deny web chargee payments", "idle charge nowhere", "allow a b c"])
    assert [one.code for one in refusal.value.findings] == [
        "bad-expectation",
        "bad-expectation",
        "unknown-service",
        "bad-expectation",
    ]


def test_conditions_that_cannot_be_met_or_counted_are_refused() -> None:
    for spoilt in ({"lasting": -DAY}, {"least": -1}):
        with pytest.raises(Refused):
            replace(GATE, **spoilt)


def test_how_it_ended_follows_from_what_is_in_force_and_the_time() -> None:
    assert RUN.end(3, "d", NOON) is None
    assert [
        ended.how
        for ended in (RUN.end(4, "d", NOON), RUN.end(4, RUN.digest, NOON), RUN.end(3, "d", RUN.ends_at))
        if ended
    ] == [End.SUPERSEDED, End.APPLIED, End.TIME]
    stopped = Ended(End.STOPPED, NOON, "ann")
    assert replace(RUN, ended=stopped).end(4, "d", RUN.ends_at) == stopped
    for wrong in (timedelta(0), timedelta(days=31)):
        with pytest.raises(Refused, match="cannot last"):
            replace(RUN, ends_at=NOON + wrong)
