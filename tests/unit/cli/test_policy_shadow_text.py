"""A dry run as people read it: what nobody knows is said, and what came from elsewhere cannot move the cursor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from trustplane.cli.policy_shadow_text import heading, text
from trustplane.wire.http_dry_run_shapes import (
    CoveredShape,
    DifferenceShape,
    DryRunEndShape,
    DryRunShape,
    ExerciseShape,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
JUDGES = CoveredShape(service="shop/pay", node="node-a", state="judges", since=NOON, refusal="", away=False)
DENIED = DifferenceShape(
    service="shop/pay",
    operation="charge",
    caller="spiffe://acme.example/web",
    caller_service="shop/web",
    request="POST /charge",
    before="all",
    after=None,
    count=5,
    first=NOON,
    last=NOON,
    sample="id-1",
)
RUN = DryRunShape(
    now=NOON,
    id="7-0123abcd",
    digest="0123abcd",
    by="local:ann",
    started_at=NOON - timedelta(hours=2),
    ends_at=NOON + timedelta(days=1),
    against=3,
    ended=None,
    sidecars=(JUDGES,),
    without_sidecar=(),
    judged=5,
    newly_denied=(),
    newly_allowed=(),
    exercised=(ExerciseShape(service="shop/pay", operation="charge", count=5),),
    more=0,
)


def changed(**changes: object) -> str:
    return text(msgspec.structs.replace(RUN, **changes))


def test_one_that_differs_in_nothing_says_so_only_of_what_was_judged() -> None:
    begun = "dry run 7-0123abcd: started 2h ago by local:ann, against revision 3"
    assert text(RUN).splitlines() == [
        f"{begun}; ends in 1d, at 2030-01-02 12:00:00Z, if nobody ends it",
        "1 of 1 sidecars judge by it; 5 requests judged",
        "",
        "no request was decided otherwise than now",
    ]
    assert "no request was judged yet" in changed(judged=0)
    assert "otherwise than now" not in changed(judged=0)


def test_whom_it_would_refuse_comes_in_a_table_with_count_rule_and_sample() -> None:
    shown = changed(newly_denied=(DENIED,), newly_allowed=(msgspec.structs.replace(DENIED, operation=None),), more=2)
    assert "WOULD NEWLY DENY  SERVICE" in shown
    assert "shop/web          shop/pay" in shown
    assert "charge     5      2030-01-01 12:00:00Z  2030-01-01 12:00:00Z  all -> no rule  id-1" in shown
    assert "(none) POST /charge" in shown
    assert "2 more kinds of request" in shown


def test_who_does_not_judge_and_what_was_not_used_is_named() -> None:
    silent = msgspec.structs.replace(JUDGES, node="node-b", state="silent")
    refused = msgspec.structs.replace(JUDGES, node="node-c", state="refused", refusal="regex\x1b[2J too long")
    away = msgspec.structs.replace(JUDGES, node="node-d", away=True)
    idle = ExerciseShape(service="shop/pay", operation="refund", count=0)
    shown = changed(sidecars=(JUDGES, silent, refused, away), without_sidecar=("shop/new",), exercised=(idle,))
    assert "2 of 4 sidecars judge by it" in shown
    for line in (
        "not covered: shop/pay on node-b says nothing: its agent may be older than dry runs are",
        "not covered: shop/pay on node-d its agent is away",
        "not covered: shop/new: no sidecar of it is attached",
        "not exercised, so nothing is known: refund of shop/pay",
    ):
        assert line in shown


def test_one_that_is_over_says_how() -> None:
    ended = DryRunEndShape(how="another revision was applied", at=NOON, by="trustplane")
    shown = heading(msgspec.structs.replace(RUN, ended=ended))
    assert "ended in 0s by trustplane: another revision was applied" in shown
    assert "sidecars" not in shown
