"""What commands about observed traffic say."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer

from tests.kit.policies import CHECKOUT, FILES, FOLDER, PAYMENTS
from tests.kit.verdicts import START
from trustplane.cli import observed, policy_diff, policy_replay, policy_suggest, policy_traffic
from trustplane.cli.observed import Observed
from trustplane.wire.http_traffic import decision_of
from trustplane.wire.http_traffic_shapes import DecisionShape, LossShape, TrafficShape

NOWHERE = Path("/nonexistent")
CHARGE = '@id("charge") permit (principal == Service::"shop/checkout", action == Action::"charge", resource);'
READ = '@id("read") permit (principal == Service::"shop/checkout", action == Action::"read", resource);'


def decision(path: str, *, allowed: bool, rule: str | None, method: str = "POST", count: int = 7) -> DecisionShape:
    return DecisionShape(
        service=str(PAYMENTS),
        caller=str(CHECKOUT),
        caller_service="shop/checkout",
        operation="charge" if path == "/charge" else None,
        method=method,
        path=path,
        path_folded=False,
        path_plain=True,
        port=20203,
        allowed=allowed,
        rule=rule,
        count=count,
        first=START,
        last=START + timedelta(minutes=5),
        sample="id-1",
        sampled_at=START,
        nearest=None if allowed else "charge, if the method were POST",
    )


CHARGED = decision("/charge", allowed=True, rule="charge")
DENIED = decision("/charge", allowed=False, rule=None, method="GET", count=2)


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> list[DecisionShape]:
    """What the server knows."""
    known = [CHARGED, DENIED]

    def ask(*_: object) -> Observed:
        losses = (LossShape(node="node-a", dropped=3, folded=0),)
        now = START + timedelta(minutes=6)
        shape = TrafficShape(now=now, since=START, kept_seconds=1.0, decisions=tuple(known), losses=losses, more=False)
        return Observed(dict(map(decision_of, known)), shape)

    monkeypatch.setattr(observed, "ask", ask)
    return known


def written(folder: Path, cedar: str) -> Path:
    for path, text in {**FILES, FOLDER + "policy.cedar": cedar}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_traffic_is_a_table_with_what_comes_nearest(
    traffic: list[DecisionShape], capsys: pytest.CaptureFixture[str]
) -> None:
    policy_traffic.command(NOWHERE)
    assert capsys.readouterr().out == (
        "CALLER         SERVICE        OPERATION  REQUEST       VERDICT  RULE     COUNT  FIRST   LAST\n"
        "shop/checkout  shop/payments  charge     POST /charge  allowed  charge   7      6m ago  1m ago\n"
        "shop/checkout  shop/payments  charge     GET /charge   denied   default  2      6m ago  1m ago\n"
        "shop/checkout GET /charge shop/payments: nearest is charge, if the method were POST\n"
        "7 allowed, 2 denied\n"
    )


def test_nothing_refused_is_said(traffic: list[DecisionShape], capsys: pytest.CaptureFixture[str]) -> None:
    traffic.remove(DENIED)
    policy_traffic.command(NOWHERE, denied=True)
    assert capsys.readouterr().out == "nothing was refused since 2026-11-27 03:00Z\n"


def test_a_replay_says_whom_it_would_deny_and_fails(
    tmp_path: Path, traffic: list[DecisionShape], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        policy_replay.command(written(tmp_path, READ), NOWHERE)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().out.splitlines()[:4] == [
        "- would newly deny: 7 requests of shop/checkout to shop/payments charge",
        "    for example: POST /charge (x-request-id id-1)",
        "    first 2026-11-27 03:00:00Z, last 2026-11-27 03:05:00Z",
        "    before: charge; after: no rule",
    ]


def test_a_replay_that_changes_nothing_succeeds(
    tmp_path: Path, traffic: list[DecisionShape], capsys: pytest.CaptureFixture[str]
) -> None:
    policy_replay.command(written(tmp_path, CHARGE), NOWHERE, as_json=True)
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["requests"], summary["same"], summary["newly_denied"]) == (9, 9, 0)
    assert "shop/payments read" in summary["not_exercised"]


def test_a_difference_has_the_requests_there_were(
    tmp_path: Path, traffic: list[DecisionShape], capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = written(tmp_path / "a", CHARGE + READ), written(tmp_path / "b", READ)
    policy_diff.command(before, after, NOWHERE, live=True)
    assert "    live: 7 requests in 7d\n" in capsys.readouterr().out


def test_a_suggestion_is_a_patch(
    tmp_path: Path, traffic: list[DecisionShape], capsys: pytest.CaptureFixture[str]
) -> None:
    policy_suggest.command(NOWHERE, "payments", written(tmp_path, CHARGE + READ))
    said = capsys.readouterr().out
    assert said.startswith("--- /dev/null\n+++ b/services/shop/payments/policy.yaml\n")
    assert "+- use: caller-may-call@1\n+  id: charge\n+  callers: [shop/checkout]\n" in said
    assert "policy.cedar stays as it is and may allow more: its rules are permit charge, permit read\n" in said


def test_a_policy_that_is_least_already_stays_as_it_is_written(
    tmp_path: Path, traffic: list[DecisionShape], capsys: pytest.CaptureFixture[str]
) -> None:
    policy_suggest.command(NOWHERE, "payments", written(tmp_path, CHARGE))
    assert capsys.readouterr().out.startswith("# the policy allows what is used and nothing else\n")
