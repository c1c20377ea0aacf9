"""From rules to the tree that is enforced."""

from __future__ import annotations

from tests.kit.policies import (
    AUDIT,
    CHECKOUT,
    FOLDER,
    PARTNER,
    PAYMENTS,
    STRANGER,
    UNKNOWN,
    WEB,
    policy,
    policy_book,
    request,
)
from trustplane.policy.access import Access
from trustplane.policy.compile import compiled
from trustplane.policy.rules import probes_of
from trustplane.policy.starter import starter
from trustplane.policy.tree import CallerIn, Who


def test_without_rules_nobody_is_let_in() -> None:
    assert not Access((), ()).decide(request(WEB, "POST", "/charge")).allowed


def test_a_condition_about_the_caller_is_decided_before_anything_is_sent() -> None:
    rules = policy(
        '@id("a") permit (principal is Service, action, resource)'
        ' when { if principal in Namespace::"back" then context.path == "/orders/1" else context.path != "/charge" };'
    ).rules
    access = compiled(rules)
    assert [grant.name for grant in access.allow] == ["a", "a~2"]
    assert "CallerIn" not in repr(access)
    assert CallerIn(Who()) not in {grant.request for grant in access.allow}
    allowed = {
        one: [access.decide(request(one, method, path)).allowed for method, path in REQUESTS]
        for one in (AUDIT, WEB, UNKNOWN, PARTNER)
    }
    assert allowed == {
        AUDIT: [False, True, False],
        WEB: [False, True, True],
        UNKNOWN: [False, True, True],
        PARTNER: [False, False, False],
    }
    assert access.decide(request(AUDIT, "GET", "/orders/1")).rule == "a"


REQUESTS = (("POST", "/charge"), ("GET", "/orders/1"), ("GET", "/orders/2"))


def test_a_forbid_for_everyone_but_some_leaves_those_alone() -> None:
    access = compiled(
        policy(
            '@id("all") permit (principal is Service, action, resource);'
            '@id("peers") permit (principal in TrustDomain::"partner.example", action, resource);'
            '@id("no") forbid (principal, action == Action::"charge", resource)'
            ' unless { principal == Service::"shop/web" || principal in TrustDomain::"partner.example" };'
        ).rules
    )
    verdicts = {
        one: access.decide(request(one, "POST", "/charge")) for one in (WEB, CHECKOUT, UNKNOWN, PARTNER, STRANGER)
    }
    assert {one: verdict.allowed for one, verdict in verdicts.items()} == {
        WEB: True,
        CHECKOUT: False,
        UNKNOWN: False,
        PARTNER: True,
        STRANGER: False,
    }
    assert verdicts[STRANGER].rule == "no"


def test_probes_stay_open_beside_every_policy() -> None:
    book = policy_book('@id("a") permit (principal == Service::"shop/web", action == Action::"charge", resource);')
    access = compiled(book.rules_of(PAYMENTS), probes_of(book.state, book.state.services[PAYMENTS]))
    assert access.decide(request(AUDIT, "GET", "/healthz")).rule == "probes"
    assert not access.decide(request(PARTNER, "GET", "/healthz")).allowed


def test_equal_policies_compile_to_equal_trees_whatever_their_order() -> None:
    one = '@id("a") permit (principal in Group::"shop-team", action, resource);'
    two = '@id("b") forbid (principal, action == Action::"refund", resource);'
    assert compiled(policy(one + two).rules) == compiled(policy(two + one).rules)


def test_a_first_policy_allows_what_its_declared_callers_may_do_today() -> None:
    before = policy_book()
    written = starter(before.state, before.state.services[PAYMENTS])
    after = policy_book(**{FOLDER + name: text for name, text in written.items()})
    assert [one.who for one in after.rules_of(PAYMENTS).rules] == [one.who for one in before.rules_of(PAYMENTS).rules]
    for one in (WEB, CHECKOUT):
        asked = request(one, "POST", "/charge")
        assert after.rules_of(PAYMENTS).decide(asked).allowed is before.rules_of(PAYMENTS).decide(asked).allowed
