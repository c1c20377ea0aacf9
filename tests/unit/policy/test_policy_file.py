"""policy.yaml: templates in four lines, and what is refused about their use."""

from __future__ import annotations

import pytest

from tests.kit.policies import AUDIT, CHECKOUT, PARTNER, UNKNOWN, WEB, policy, policy_book, request
from trustplane.fault import Finding, Refused
from trustplane.policy.shipped import TEMPLATES
from trustplane.policy.template import Kind, Template

FILE = "services/shop/payments/policy.yaml"


def only(yaml: str) -> Finding:
    with pytest.raises(Refused) as refusal:
        policy_book(yaml=yaml)
    assert len(refusal.value.findings) == 1, [str(one) for one in refusal.value.findings]
    return refusal.value.findings[0]


def test_four_lines_let_a_caller_call() -> None:
    found = policy(yaml="use: caller-may-call@1\ncallers: [shop/web, back/audit]\noperations: [charge, refund]\n")
    assert [one.id for one in found.rules.rules] == ["caller-may-call.back/audit", "caller-may-call.shop/web"]
    assert found.rules.decide(request(WEB, "POST", "/charge")).allowed
    assert not found.rules.decide(request(CHECKOUT, "POST", "/charge")).allowed
    assert not found.rules.decide(request(WEB, "GET", "/orders/1")).allowed
    assert 'action in [Action::"charge", Action::"refund"]' in found.cedar[0]
    assert all(one.place and one.place.file == FILE for one in found.rules.rules)


def test_several_uses_each_with_its_name_and_rules_of_ones_own_beside_them() -> None:
    found = policy(
        '@id("own") permit (principal == Service::"shop/checkout", action == Action::"one", resource);',
        "- {use: caller-may-call@1, callers: [shop/web], operations: [charge]}\n"
        "- {use: caller-may-call@1, id: refunds, callers: [shop/web], operations: [refund]}\n",
    )
    assert [one.id for one in found.rules.rules] == ["caller-may-call.shop/web", "own", "refunds.shop/web"]


def test_a_partner_is_one_identity_of_another_domain() -> None:
    found = policy(yaml=f"use: federated-partner@1\npartners: [{PARTNER}]\noperations: [charge]\n").rules
    assert found.decide(request(PARTNER, "POST", "/charge")).allowed
    assert not found.decide(request(WEB, "POST", "/charge")).allowed


def test_breaking_the_glass_takes_the_ticket() -> None:
    found = policy(yaml="use: break-glass-reader@1\nreaders: [back/audit]\nticket: INC-7\n").rules
    assert found.decide(request(AUDIT, "GET", "/orders/1", ("x-break-glass", "INC-7"))).allowed
    assert not found.decide(request(AUDIT, "GET", "/orders/1")).allowed
    assert not found.decide(request(AUDIT, "GET", "/orders/1", ("x-break-glass", "INC-8"))).allowed
    assert not found.decide(request(AUDIT, "POST", "/charge", ("x-break-glass", "INC-7"))).allowed


def test_the_same_namespace_is_who_is_registered_in_it() -> None:
    found = policy(yaml="use: same-namespace@1\noperations: [charge]\n").rules
    verdicts = [found.decide(request(one, "POST", "/charge")).allowed for one in (WEB, CHECKOUT, AUDIT, UNKNOWN)]
    assert verdicts == [True, True, False, False]


@pytest.mark.parametrize(
    ("yaml", "code", "column"),
    [
        ("use: caller-may-call\ncallers: [shop/web]\noperations: [charge]", "policy-unknown-template", 6),
        ("callers: [shop/web]", "missing-key", 1),
        ("use: caller-may-call@1\noperations: [charge]", "missing-key", 1),
        ("use: caller-may-call@1\ncallers: [shop/wep]\noperations: [charge]", "policy-unknown-name", 11),
        ("use: caller-may-call@1\ncallers: []\noperations: [charge]", "empty-list", 10),
        ("use: caller-may-call@1\ncallers: [shop/web]\noperations: [chrge]", "policy-unknown-operation", 14),
        ("use: health-and-metrics@1\nscrapers: [shop/web]\noperations: [charge]", "policy-not-a-read", 14),
        ("use: caller-may-call@1\nextra: 1\ncallers: [shop/web]\noperations: [charge]", "unknown-key", 1),
        ("use: federated-partner@1\npartners: [spiffe://shop.example/x]\noperations: [charge]", "policy-bad-peer", 12),
        ('use: break-glass-reader@1\nreaders: [shop/web]\nticket: "a,b"', "policy-bad-header", 9),
        ("use: caller-may-call@1\nid: Bad Name\ncallers: [shop/web]\noperations: [charge]", "policy-bad-id", 1),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(yaml: str, code: str, column: int) -> None:
    found = only(yaml)
    assert (found.code, found.place.column if found.place else 0) == (code, column), str(found)


def test_one_name_for_two_uses_is_refused() -> None:
    twice = "- {use: caller-may-call@1, callers: [shop/web], operations: [charge]}\n" * 2
    assert only(twice).code == "policy-duplicate-id"


def test_a_value_cannot_leave_its_place_in_the_text() -> None:
    """A ticket is the only free text: it arrives in Cedar as one string, whatever it says."""
    ticket = 'x") || true || ("'
    found = policy(yaml=f"use: break-glass-reader@1\nreaders: [back/audit]\nticket: '{ticket}'\n").rules
    assert not found.decide(request(AUDIT, "GET", "/orders/1", ("x-break-glass", "x"))).allowed
    assert found.decide(request(AUDIT, "GET", "/orders/1", ("x-break-glass", ticket))).allowed


def test_every_shipped_template_has_a_version_owners_and_a_summary() -> None:
    assert sorted(TEMPLATES) == [
        "break-glass-reader@1",
        "caller-may-call@1",
        "federated-partner@1",
        "health-and-metrics@1",
        "read-only@1",
        "same-namespace@1",
    ]
    assert all(one.owners and one.summary for one in TEMPLATES.values())


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("permit (principal == $callers, action, resource);", {}),
        ("permit (principal, action, resource);", {"x": Kind.TEXT}),
    ],
)
def test_a_template_and_its_parameters_name_the_same(text: str, parameters: dict[str, Kind]) -> None:
    with pytest.raises(Exception, match="template-malformed"):
        Template("t", 1, ("team",), "says", parameters, text)


def test_a_policy_without_its_service_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        policy_book(**{"services/shop/gone/policy.yaml": "use: same-namespace@1\noperations: [a]"})
    assert refusal.value.code == "policy-without-service"


def test_a_service_without_operations_takes_no_policy() -> None:
    with pytest.raises(Refused) as refusal:
        policy_book(**{"services/shop/web/policy.cedar": '@id("a") permit (principal is Service, action, resource);'})
    assert "policy-without-operations" in {one.code for one in refusal.value.findings}
