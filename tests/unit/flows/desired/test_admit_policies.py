"""A repository with policies becomes desired state only if they are proved and their tests hold."""

from __future__ import annotations

import pytest

from tests.kit.ca import NOON
from tests.kit.policies import FILES, FOLDER, PAYMENTS
from trustplane.fault import Broken, Refused
from trustplane.flows.desired.admit_policies import admitted, admitted_at
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


GUARD = (
    '@id("no-web") @owner("x") forbid (principal == Service::"shop/web", action, resource == Service::"shop/payments");'
)
CHARGES = "cases: [{to: shop/payments, as: shop/web, operation: charge, expect: deny, because: no-web}]"


def guarded(cases: str) -> dict[str, bytes]:
    return {**files("cases: []"), "guardrails.cedar": GUARD.encode(), "guardrails_test.yaml": cases.encode()}


def test_guard_rails_and_their_tests_count_too() -> None:
    assert b"no-web" in admitted_at(guarded(CHARGES), NOON).policies[PAYMENTS]
    with pytest.raises(Refused) as refusal:
        admitted_at(
            guarded(CHARGES.replace("}]", "}, {to: shop/payments, as: shop/web, operation: charge, expect: allow}]")),
            NOON,
        )
    assert [(one.code, str(one.place)) for one in refusal.value.findings] == [
        ("policy-test-failed", "guardrails_test.yaml:1:94")
    ]


def test_the_tests_of_a_template_of_ones_own_count_although_nobody_uses_it() -> None:
    yaml = (
        "{owners: [x], summary: x, parameters: {callers: services}, tests: [{for: shop/payments, "
        "with: {callers: [shop/web]}, cases: [{as: shop/web, operation: charge, expect: deny}]}]}"
    )
    template = {
        "templates/x@1.yaml": yaml.encode(),
        "templates/x@1.cedar": b"permit (principal == $callers, action, resource);",
    }
    with pytest.raises(Refused) as refusal:
        admitted_at({**files("cases: []"), **template}, NOON)
    assert [(one.code, one.place and one.place.file) for one in refusal.value.findings] == [
        ("policy-test-failed", "templates/x@1.yaml")
    ]


def test_a_test_file_that_cannot_be_read_refuses_it_too() -> None:
    with pytest.raises(Refused, match="unknown-key"):
        admitted_at(files("cases: []\ncase: 1"), NOON)


def test_what_would_be_enforced_otherwise_than_written_is_not_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rbac, "_text_match", lambda parts: {"prefix": parts[0]})
    with pytest.raises(Broken, match="policy-not-equivalent"):
        admitted_at(files("cases: []"), NOON)
