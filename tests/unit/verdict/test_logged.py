"""What a real proxy wrote (Envoy 1.40, two RBAC filters and a candidate's two before them), read."""

from __future__ import annotations

import pytest

from tests.kit.policies import CHECKOUT, PAYMENTS
from trustplane.policy.access import Verdict
from trustplane.verdict.decision import SeenPath, Trial
from trustplane.verdict.logged import Logged, kind_of

ALLOWED = '{"enforced_effective_policy_id":"charge~2","enforced_engine_result":"allowed"}'
BY_DEFAULT = '{"enforced_engine_result":"denied"}'
FORBIDDEN = '{"enforced_effective_policy_id":"no","enforced_engine_result":"denied"}'
C = "candidate.3-0badcafe."


def line(judged: str = ALLOWED, peer: str = str(CHECKOUT), asked: str = "20203 POST /charge") -> Logged:
    return Logged(peer, asked, judged, 1, "")


@pytest.mark.parametrize(
    ("judged", "verdict"),
    [
        (ALLOWED, Verdict(allowed=True, rule="charge")),
        (BY_DEFAULT, Verdict(allowed=False, rule=None)),
        (FORBIDDEN, Verdict(allowed=False, rule="no")),
    ],
)
def test_the_rule_that_decided_is_named(judged: str, verdict: Verdict) -> None:
    found = kind_of(PAYMENTS, line(judged))
    assert found is not None
    assert (found.caller, found.method, found.path, found.port) == (CHECKOUT, "POST", SeenPath("/charge"), 20203)
    assert (found.enforced, found.trial) == (verdict, None)


@pytest.mark.parametrize(
    ("forbids", "permits", "would"),
    [
        ('"allowed"', '"allowed"', Verdict(allowed=True, rule="new")),
        ('"denied"', '"allowed"', Verdict(allowed=False, rule="never")),
        ('"allowed"', '"denied"', Verdict(allowed=False, rule=None)),
    ],
)
def test_a_candidate_forbids_before_it_permits(forbids: str, permits: str, would: Verdict) -> None:
    parts = [
        f'"{C}forbids.shadow_engine_result":{forbids}',
        f'"{C}permits.shadow_engine_result":{permits}',
        *([f'"{C}forbids.shadow_effective_policy_id":"never"'] if forbids == '"denied"' else []),
        *([f'"{C}permits.shadow_effective_policy_id":"new"'] if permits == '"allowed"' else []),
    ]
    found = kind_of(PAYMENTS, line(BY_DEFAULT[:-1] + "," + ",".join(parts) + "}"))
    assert found is not None
    assert found.trial == Trial("3-0badcafe", would)


@pytest.mark.parametrize(
    "half",
    [
        f'"{C}permits.shadow_engine_result":"allowed"',
        f'"{C}permits.shadow_engine_result":"allowed","candidate.4-0badcafe.forbids.shadow_engine_result":"allowed"',
    ],
)
def test_half_a_candidate_judged_nothing(half: str) -> None:
    found = kind_of(PAYMENTS, line(f"{BY_DEFAULT[:-1]},{half}}}"))
    assert found is not None
    assert found.trial is None


@pytest.mark.parametrize("judged", ["", "-", "{}", "null", "[]", '{"a":1}', '{"enforced', "x" * 10_000])
def test_without_a_verdict_nothing_was_decided(judged: str) -> None:
    assert kind_of(PAYMENTS, line(judged)) is None


@pytest.mark.parametrize("asked", ["", "POST /charge", "x POST /", "1  /", "99999 GET /", "1 G\x07T /"])
def test_what_is_no_request_is_none(asked: str) -> None:
    assert kind_of(PAYMENTS, line(asked=asked)) is None


@pytest.mark.parametrize("peer", ["", "-", f"{CHECKOUT},spiffe://evil.example/x", "https://a/b"])
def test_a_caller_without_exactly_one_spiffe_id_is_nobody(peer: str) -> None:
    found = kind_of(PAYMENTS, line(peer=peer))
    assert found is not None
    assert found.caller is None
