from __future__ import annotations

import pytest

from tests.kit.policies import CHECKOUT, PAYMENTS
from tests.kit.verdicts import START, tally
from trustplane.fault import Refused
from trustplane.policy.access import Verdict
from trustplane.verdict.decision import MOST_PATH, DecisionKind, SeenPath, Trial
from trustplane.verdict.tally import Sample, Tally

DENIED = Verdict(allowed=False, rule=None)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/charge", SeenPath("/charge")),
        ("", SeenPath("")),
        ("/a b", SeenPath("/a", folded=True)),
        ("/a\x1b[31m", SeenPath("/a", folded=True)),
        ("/é", SeenPath("/", folded=True)),
        ("/a;b\n", SeenPath("/a;b", folded=True, plain=False)),
        ("/" + "x" * MOST_PATH, SeenPath("/" + "x" * (MOST_PATH - 1), folded=True)),
    ],
)
def test_a_path_is_kept_as_far_as_it_can_be(path: str, kept: SeenPath) -> None:
    assert SeenPath.of(path) == kept


@pytest.mark.parametrize("method", ["", "GET POST", "G\n", "X" * 41])
def test_what_is_no_method_is_refused(method: str) -> None:
    with pytest.raises(Refused, match="bad-decision"):
        DecisionKind(PAYMENTS, CHECKOUT, method, SeenPath("/"), 1, None, DENIED)


@pytest.mark.parametrize("rule", ["", "a b", "x" * 401, "a\x07"])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(Refused, match="bad-decision"):
        DecisionKind(PAYMENTS, CHECKOUT, "GET", SeenPath("/"), 1, None, Verdict(allowed=True, rule=rule))


def test_a_trial_disagrees_when_it_would_decide_otherwise() -> None:
    allowed = Verdict(allowed=True, rule="charge")
    one = DecisionKind(PAYMENTS, CHECKOUT, "GET", SeenPath("/"), 1, None, DENIED, Trial("c1", allowed))
    assert one.disagrees
    assert not one.without_trial().disagrees


@pytest.mark.parametrize("count", [0, -1, (1 << 53) + 1])
def test_a_tally_counts_something(count: int) -> None:
    with pytest.raises(Refused, match="bad-tally"):
        tally(count)


def test_instants_have_zones() -> None:
    with pytest.raises(Refused, match="bad-tally"):
        Tally(1, START.replace(tzinfo=None), START.replace(tzinfo=None))


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 65, "\x1b"])
def test_a_sample_is_an_id(request_id: str) -> None:
    with pytest.raises(Refused, match="bad-tally"):
        Sample(START, request_id)
