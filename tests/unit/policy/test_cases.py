"""policy_test.yaml, and what testing a policy says."""

from __future__ import annotations

import pytest

from tests.kit.policies import CHECKOUT, PAYMENTS, WEB, policy_book, request
from tests.kit.tree import ROOT
from trustplane.fault import Refused
from trustplane.policy.book import Book
from trustplane.policy.cases import Case, CaseFile, as_case
from trustplane.policy.examination import Examination, examine
from trustplane.policy.shipped import TEMPLATES
from trustplane.policy.starter import starter
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import parse

CEDAR = (
    '@id("team") permit (principal in Namespace::"shop", action == Action::"charge", resource)'
    ' when { context.headers has "x-team" && context.headers["x-team"].contains("a") };'
    '@id("no-web") forbid (principal == Service::"shop/web", action == Action::"charge", resource);'
)


def cases(of: Book, yaml: str) -> tuple[Case, ...]:
    findings = Findings()
    tree = parse("policy_test.yaml", yaml.encode(), findings)
    assert tree is not None
    found = CaseFile(of.state, of.state.services[PAYMENTS], findings).cases(tree)
    findings.refuse_if_any()
    return found


def examined(yaml: str, cedar: str = CEDAR) -> Examination:
    of = policy_book(cedar)
    return examine(of.state, of.policy_of(PAYMENTS), cases(of, yaml))


def problems(yaml: str) -> list[str]:
    return [one.problem for one in examined(yaml).outcomes]


def test_cases_are_requests_with_verdicts_and_rules() -> None:
    assert problems(
        "cases:\n"
        "  - {as: shop/checkout, operation: charge, headers: {X-Team: a}, expect: allow, because: team}\n"
        "  - {as: shop/checkout, operation: charge, headers: {x-team: [b, a]}, expect: allow}\n"
        "  - {as: shop/checkout, operation: charge, expect: deny}\n"
        "  - {as: shop/web, request: POST /charge, headers: {x-team: a}, expect: deny, because: no-web}\n"
        "  - {as: 'spiffe://else.example/x', request: POST /charge, headers: {x-team: a}, expect: deny}\n"
        "  - {as: shop/checkout, request: POST /a%2fb, expect: deny}\n"
    ) == ["", "", "", "", "", ""]


def test_a_failure_says_what_happened_and_what_would_have_allowed_it() -> None:
    assert problems(
        "cases:\n"
        "  - {as: shop/checkout, operation: charge, expect: allow}\n"
        "  - {as: shop/web, operation: charge, headers: {x-team: a}, expect: allow}\n"
        "  - {as: shop/checkout, operation: charge, headers: {x-team: a}, expect: allow, because: other}\n"
        "  - {as: shop/checkout, request: POST /a%2fb, expect: allow}\n"
    ) == [
        "it is denied by no rule; team (shop/checkout or shop/payments or shop/web) would, if a header x-team were a",
        "it is denied by no-web",
        "it is allowed by team, not other",
        "the proxy refuses this target, so it is denied",
    ]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("{as: shop/wep, operation: charge, expect: deny}", "unknown-service"),
        ("{as: shop/web, operation: chrge, expect: deny}", "policy-unknown-operation"),
        ("{as: shop/web, expect: deny}", "missing-key"),
        ("{operation: charge, expect: deny}", "missing-key"),
        ("{as: shop/web, operation: charge}", "missing-key"),
        ("{as: shop/web, operation: charge, expect: maybe}", "unknown-value"),
        ("{as: shop/web, request: POST, expect: deny}", "wrong-type"),
        ("{as: shop/web, operation: charge, expect: deny, becuase: x}", "unknown-key"),
        ("{as: shop/web, operation: charge, headers: [a], expect: deny}", "wrong-type"),
        ("{as: 'spiffe://X/y', operation: charge, expect: deny}", "bad-spiffe-id"),
    ],
)
def test_a_case_that_says_nothing_is_refused(case: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        cases(policy_book(CEDAR), f"cases: [{case}]")
    assert code in {one.code for one in refusal.value.findings}


def test_coverage_names_what_no_case_tried() -> None:
    (no_web, team) = examined(
        "cases: [{as: shop/checkout, operation: charge, headers: {x-team: a}, expect: allow}]"
    ).covered
    assert (team.held, team.failed, no_web.held, no_web.failed) == (True, False, False, True)
    assert not team.covered
    assert "a header x-team were a" in team.untried
    assert "the caller is shop/web" in no_web.untried


def test_a_mistake_that_no_case_notices_is_shown_as_the_case_that_is_missing() -> None:
    """Without the forbid web may charge: the one test that would say so is named."""
    one_case = "cases:\n  - {as: shop/checkout, operation: charge, headers: {x-team: a}, expect: allow}\n"
    weak = examined(one_case)
    of = policy_book(CEDAR)
    shown = {as_case(of.state, one.shows.request, allowed=not one.shows.newly_allowed) for one in weak.survivors}
    assert "{as: shop/web, request: POST /charge, headers: {x-team: a}, expect: deny}" in shown
    missing = "".join(f"  - {one}\n" for one in sorted(shown))
    strong = examined(one_case + missing)
    assert not strong.failed
    assert strong.survivors == ()


def test_a_mutant_that_decides_as_the_original_is_not_counted() -> None:
    """The second rule is inside the first: nothing that is changed about it alone changes a verdict."""
    wide = '@id("all") permit (principal is Service, action == Action::"charge", resource);'
    inner = '@id("web") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
    both = examined("cases: [{as: shop/web, operation: charge, expect: allow}]", wide + inner)
    assert [one.mistake for one in both.survivors if one.rule == "web" and one.mistake == "the rule is missing"] == []
    assert both.mutants > 0


def test_what_is_suggested_is_yaml_that_reads_back() -> None:
    of = policy_book(CEDAR)
    asked = request(CHECKOUT, "GET", "/orders/a'b,c:d", ("x-team", "a: b"))
    (read,) = cases(of, "cases:\n  - " + as_case(of.state, asked, allowed=True))
    assert read.request == asked


VECTORS = ROOT / "tests" / "vectors" / "policy"
SHOP = {
    "caller-may-call@1": "callers: [shop/web, back/audit]\noperations: [charge, read]",
    "read-only@1": "callers: [back/audit]",
    "same-namespace@1": "operations: [refund]",
    "health-and-metrics@1": "scrapers: [back/audit]\noperations: [one]",
    "federated-partner@1": "partners: ['spiffe://partner.example/ns/x/sa/y']\noperations: [charge]",
    "break-glass-reader@1": "readers: [back/audit]\nticket: INC-7",
}


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_the_tests_of_each_shipped_template_notice_nine_mistakes_of_ten(template: str) -> None:
    of = policy_book(yaml=f"use: {template}\n{SHOP[template]}\n")
    found = examine(
        of.state, of.policy_of(PAYMENTS), cases(of, (VECTORS / f"{template.partition('@')[0]}.yaml").read_text())
    )
    assert [one.problem for one in found.failed] == []
    assert all(one.covered for one in found.covered)
    noticed = found.mutants - len(found.survivors)
    missed = [as_case(of.state, one.shows.request, allowed=not one.shows.newly_allowed) for one in found.survivors]
    assert noticed >= 0.9 * found.mutants, missed


def test_a_first_policys_tests_notice_every_mistake() -> None:
    before = policy_book()
    written = starter(before.state, before.state.services[PAYMENTS])
    of = policy_book(yaml=written["policy.yaml"])
    found = examine(of.state, of.policy_of(PAYMENTS), cases(of, written["policy_test.yaml"]))
    assert (found.failed, found.survivors) == ((), ())
    assert found.mutants > 5
    assert WEB not in of.rules_of(PAYMENTS).rules[0].who.ids
