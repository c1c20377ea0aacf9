"""Guard-rails: compiled into each destination they concern, and overridden by none of its rules."""

from __future__ import annotations

import pytest

from tests.kit.policies import AUDIT, CHECKOUT, FILES, PARTNER, PAYMENTS, WEB, policy_book, request
from trustplane.fault import Finding, Refused
from trustplane.policy.book import Book
from trustplane.policy.comparison import changes_of
from trustplane.policy.examine_book import examined
from trustplane.policy.explanation import explain
from trustplane.policy.oracle import Oracle
from trustplane.spiffe.names import ServiceName
from trustplane.xds.rbac_proof import proved

ALL = '@id("all") permit (principal is Service, action, resource);'
OUTSIDE = (
    '@id("no-outsiders") @owner("security") forbid (principal, action, resource)\n'
    'when { resource.data.contains("payment") } unless { principal in Namespace::"shop" };'
)
CASES = """\
cases:
  - {to: shop/payments, as: back/audit, operation: charge, expect: deny, because: no-outsiders}
  - {to: shop/payments, as: shop/checkout, operation: charge, expect: allow}
"""
CHECKOUT_NAME = ServiceName("shop", "checkout")


def guarded(rails: str = OUTSIDE, tests: str = CASES, cedar: str = "", **others: str) -> Book:
    return policy_book(cedar, **{"guardrails.cedar": rails, "guardrails_test.yaml": tests}, **others)


def refused(rails: str, tests: str = CASES, cedar: str = "", **others: str) -> list[Finding]:
    with pytest.raises(Refused) as refusal:
        guarded(rails, tests, cedar, **others)
    return list(refusal.value.findings)


def test_no_policy_can_allow_what_a_guard_rail_forbids() -> None:
    rules = guarded(cedar=ALL).rules_of(PAYMENTS)
    assert rules.decide(request(WEB, "POST", "/charge")).allowed
    denied = rules.decide(request(AUDIT, "POST", "/charge"))
    assert not denied.allowed
    assert denied.rule
    assert (denied.rule.id, denied.rule.guarded_by, str(denied.rule.place)) == (
        "no-outsiders",
        "security",
        "guardrails.cedar:1:40",
    )
    assert proved(rules).decide(request(AUDIT, "POST", "/charge")).rule == "no-outsiders"


def test_it_concerns_only_the_services_that_it_speaks_of() -> None:
    found = guarded(cedar=ALL)
    assert list(found.enforced) == [PAYMENTS]
    assert not found.rules_of(CHECKOUT_NAME).guards


def test_declared_callers_still_count_where_nobody_wrote_a_policy() -> None:
    found = guarded()
    assert list(found.guarded) == [PAYMENTS]
    assert PAYMENTS in found.state.policies
    assert found.rules_of(PAYMENTS).decide(request(CHECKOUT, "POST", "/charge")).allowed


def test_cedar_says_the_same_of_policy_and_guard_rails_together() -> None:
    found = guarded(cedar=ALL)
    policy = found.policy_of(PAYMENTS)
    oracle = Oracle(found.state, policy.rules.service, (*policy.cedar, *policy.guards))
    for caller in (WEB, AUDIT, CHECKOUT, PARTNER):
        asked = request(caller, "POST", "/charge")
        assert oracle.decide(asked).allowed is policy.rules.decide(asked).allowed


def test_an_operation_is_forbidden_wherever_it_is_offered() -> None:
    others = {
        "services/shop/checkout/service.yaml": FILES["services/shop/checkout/service.yaml"].replace(
            "selectors", "operations: {charge: POST /other}\nselectors"
        )
    }
    rails = '@id("no") @owner("x") forbid (principal == Service::"shop/web", action == Action::"charge", resource);'
    tests = "cases: [{to: shop/payments, as: shop/web, operation: charge, expect: deny, because: no}]"
    found = guarded(rails, tests, ALL, **others)
    assert sorted(found.enforced) == [CHECKOUT_NAME, PAYMENTS]
    assert found.rules_of(CHECKOUT_NAME).guards[0].operations[0].path == "/other"


def test_where_no_operations_are_declared_everything_but_probes_is_meant() -> None:
    others = {
        "services/back/store/service.yaml": "selectors: [unix:uid:9]\nports: {app: 1025, mesh: 1026}\ndata: [payment]\n"
        "probes: [GET /healthz]\n",
    }
    tests = CASES + "  - {to: back/store, as: shop/web, request: GET /x, expect: deny}\n"
    found = guarded(tests=tests, **others)
    rules = found.rules_of(ServiceName("back", "store"))
    assert rules.guards[0].applies(request(AUDIT, "GET", "/anything"))
    assert not rules.guards[0].applies(request(AUDIT, "GET", "/healthz"))


def test_a_new_one_shows_as_what_it_takes_away() -> None:
    before, after = policy_book(ALL), guarded(cedar=ALL)
    changes = list(changes_of(before.state, after.state, PAYMENTS))
    assert {one.operation for one in changes} == {"charge", "refund", "read", "one", "any"}
    assert not any(one.region.newly_allowed for one in changes)
    assert {one.region.after for one in changes} == {"no-outsiders"}


def test_the_explanation_names_it() -> None:
    found = guarded(cedar=ALL)
    answer = explain(found.state, found.rules_of(PAYMENTS), None, request(AUDIT, "POST", "/charge"))
    assert answer.decision.rule
    assert answer.decision.rule.id == "no-outsiders"


def test_its_tests_count_what_they_would_not_notice() -> None:
    (examination,) = (one for of, one in examined(guarded(cedar=ALL)) if of.kind == "guard-rails")
    assert not examination.failed
    assert {one.rule for one in examination.survivors} == {"no-outsiders"}
    assert examination.mutants > len(examination.survivors)


@pytest.mark.parametrize(
    ("rails", "code"),
    [
        (OUTSIDE.replace("forbid", "permit"), "guardrail-permits"),
        (OUTSIDE.replace('@owner("security") ', ""), "guardrail-without-owner"),
        (OUTSIDE.replace("payment", "paymnt"), "policy-unknown-name"),
        (OUTSIDE.replace('"payment"', '"pii"').replace('"shop"', '"nowhere"'), "policy-unknown-name"),
        (OUTSIDE.replace("principal, action,", 'principal, action == Action::"nothing",'), "policy-unknown-operation"),
        (OUTSIDE.replace("resource)", 'resource in Namespace::"back")'), "guardrail-concerns-nobody"),
        (OUTSIDE + OUTSIDE, "policy-duplicate-id"),
        (OUTSIDE.replace("principal, action, resource", "principal, action"), "bad-cedar"),
        (OUTSIDE.replace("} unless", '&& context.headers has "x-a" } unless'), "policy-header-escapes"),
    ],
)
def test_what_is_no_guard_rail_is_refused_once(rails: str, code: str) -> None:
    findings = [one for one in refused(rails) if one.place and one.place.file == "guardrails.cedar"]
    assert [one.code for one in findings if one.code == code] == [code], findings


def test_one_that_no_case_saw_stopping_anybody_is_refused() -> None:
    (finding,) = refused(OUTSIDE, "cases: [{to: shop/payments, as: shop/web, operation: charge, expect: deny}]")
    assert (finding.code, str(finding.place)) == ("guardrail-without-test", "guardrails.cedar:1:1")


def test_a_rule_of_a_service_cannot_take_its_name() -> None:
    (finding,) = refused(OUTSIDE, CASES, ALL.replace('"all"', '"no-outsiders"'))
    assert finding.code == "policy-duplicate-id"
    assert finding.place
    assert finding.place.file == "services/shop/payments/policy.cedar"


def test_a_case_says_whom_it_calls() -> None:
    findings = refused(OUTSIDE, CASES + "  - {as: shop/web, operation: charge, expect: deny}\n")
    assert [(one.code, str(one.place)) for one in findings] == [("missing-key", "guardrails_test.yaml:4:5")]
