"""A repository with policies becomes desired state only if they are proved and their tests hold."""

from __future__ import annotations

import pytest

from tests.kit.ca import NOON
from tests.kit.policies import FILES, FOLDER, PAYMENTS
from trustplane.fault import Broken, Refused
from trustplane.flows.admit_policies import admitted, admitted_at
from trustplane.xds import rbac

POLICY = "use: caller-may-call@1\ncallers: [shop/web]\noperations: [charge]\n"


def files(test: str) -> dict[str, bytes]:
    written = {**FILES, FOLDER + "policy.yaml": POLICY, FOLDER + "policy_test.yaml": test}
    return {path: text.encode() for path, text in written.items()}


def test_a_policy_whose_tests_hold_is_compiled_into_the_state() -> None:
    state = admitted_at(files("cases: [{as: shop/web, operation: charge, expect: allow}]"), NOON)
    assert set(state.policies) == {PAYMENTS}
    assert admitted(files("cases: [{as: shop/web, operation: charge, expect: allow}]")) == state


def test_a_failing_test_refuses_the_whole_repository_and_says_where() -> None:
    with pytest.raises(Refused) as refusal:
        admitted_at(files("cases: [{as: shop/checkout, operation: charge, expect: allow}]"), NOON)
    assert refusal.value.code == "policy-test-failed"
    assert refusal.value.finding.place is not None
    assert refusal.value.finding.place.file == FOLDER + "policy_test.yaml"
    assert "the caller were shop/web" in refusal.value.finding.what


def test_a_test_file_that_cannot_be_read_refuses_it_too() -> None:
    with pytest.raises(Refused, match="unknown-key"):
        admitted_at(files("cases: []\ncase: 1"), NOON)


def test_what_would_be_enforced_otherwise_than_written_is_not_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rbac, "_text_match", lambda parts: {"prefix": parts[0]})
    with pytest.raises(Broken, match="policy-not-equivalent"):
        admitted_at(files("cases: []"), NOON)
