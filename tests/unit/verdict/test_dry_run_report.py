"""What a dry run has shown: every difference counted, nothing counted that is none, and silence called silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trustplane.policy.access import Verdict
from trustplane.registry.model import Operation
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind, SeenPath, Trial
from trustplane.verdict.dry_run_report import Exercise, Judgements, report
from trustplane.verdict.tally import Sample, Tally
from trustplane.xds import revoked

PAY, WEB = ServiceName("shop", "pay"), SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ID = "7-0123abcd"
ALLOWED, DENIED = Verdict(allowed=True, rule="all"), Verdict(allowed=False, rule=None)
FORBIDDEN = Verdict(allowed=False, rule="never")
OPERATIONS = {PAY: (Operation("charge", "POST", "/charge"), Operation("refund", "POST", "/refunds/*"))}


def kind(
    enforced: Verdict, after: Verdict | None, path: str = "/charge", operation: str | None = "charge", by: str = ID
) -> DecisionKind:
    trial = Trial(by, after) if after else None
    return DecisionKind(PAY, WEB, "POST", SeenPath.of(path), 9081, operation, enforced, trial)


def seen(count: int, at: datetime = NOON) -> Tally:
    return Tally(count, at, at + MINUTE, Sample(at, f"id-{count}"))


def test_who_would_be_refused_and_who_let_in_is_told_with_how_often_and_by_which_rule() -> None:
    shown = report(
        ID, Judgements({kind(ALLOWED, DENIED): seen(5), kind(FORBIDDEN, ALLOWED): seen(2)}), OPERATIONS, revoked.NAMES
    )
    (denied,), (allowed,) = shown.newly_denied, shown.newly_allowed
    assert (denied.caller, denied.operation, denied.before, denied.after) == (WEB, "charge", "all", None)
    assert (denied.tally, denied.request) == (seen(5), "POST /charge")
    assert (allowed.before, allowed.after, allowed.tally.count) == ("never", "all", 2)
    assert shown.judged == 7


def test_an_operation_that_nobody_used_is_called_so() -> None:
    shown = report(ID, Judgements({kind(ALLOWED, ALLOWED): seen(5)}), OPERATIONS, revoked.NAMES)
    assert shown.exercised == (Exercise(PAY, "charge", 5), Exercise(PAY, "refund", 0))
    assert shown.idle == (Exercise(PAY, "refund", 0),)
    assert (shown.newly_denied, shown.newly_allowed) == ((), ())


def test_what_another_candidate_judged_or_none_counts_for_nothing() -> None:
    others = {kind(ALLOWED, DENIED, by="6-0123abcd"): seen(5), kind(ALLOWED, None): seen(3)}
    shown = report(ID, Judgements(others), OPERATIONS, revoked.NAMES)
    assert (shown.judged, shown.newly_denied, len(shown.idle)) == (0, (), 2)


def test_a_revoked_caller_is_not_one_that_would_be_let_in() -> None:
    for name in revoked.NAMES:
        refused = Verdict(allowed=False, rule=name)
        shown = report(ID, Judgements({kind(refused, ALLOWED): seen(5)}), OPERATIONS, revoked.NAMES)
        assert (shown.judged, shown.newly_allowed) == (5, ())


def test_paths_of_an_operation_are_one_row_and_those_of_none_are_apart() -> None:
    shown = report(
        ID,
        Judgements(
            {
                kind(ALLOWED, DENIED, "/refunds/1", "refund"): seen(1),
                kind(ALLOWED, DENIED, "/refunds/2", "refund"): seen(3, NOON + MINUTE),
                kind(ALLOWED, DENIED, "/a", None): seen(2),
                kind(ALLOWED, DENIED, "/b", None): seen(1),
            }
        ),
        OPERATIONS,
        revoked.NAMES,
    )
    assert [(one.request, one.tally.count) for one in shown.newly_denied] == [
        ("POST /refunds/2", 4),
        ("POST /a", 2),
        ("POST /b", 1),
    ]
    first = shown.newly_denied[0].tally
    assert (first.first, first.last, first.sample) == (NOON, NOON + 2 * MINUTE, Sample(NOON + MINUTE, "id-3"))
