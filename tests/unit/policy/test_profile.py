"""What a policy may say, what is refused, and what is said about it."""

from __future__ import annotations

import pytest

from tests.kit.policies import AUDIT, CHECKOUT, PARTNER, STRANGER, UNKNOWN, WEB, policy, policy_book, request
from trustplane.fault import Finding, Refused
from trustplane.policy.rules import Effect

FILE = "services/shop/payments/policy.cedar"
WEB_MAY = '@id("a") permit (principal == Service::"shop/web", '


def refused(cedar: str) -> tuple[Finding, ...]:
    with pytest.raises(Refused) as refusal:
        policy_book(cedar)
    return refusal.value.findings


def only(cedar: str) -> Finding:
    found = refused(cedar)
    assert len(found) == 1, [str(one) for one in found]
    return found[0]


def test_a_permit_says_who_may_use_which_operations() -> None:
    rules = policy(
        '@id("web-charges") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
    )
    (rule,) = rules.rules.rules
    assert (rule.id, rule.effect, rule.who.ids) == ("web-charges", Effect.PERMIT, frozenset({WEB}))
    assert [one.name for one in rule.operations] == ["charge"]
    assert rules.rules.decide(request(WEB, "POST", "/charge")).allowed
    assert not rules.rules.decide(request(CHECKOUT, "POST", "/charge")).allowed
    assert not rules.rules.decide(request(WEB, "POST", "/charge/refund")).allowed


def test_what_no_rule_allows_is_denied_and_forbid_overrides() -> None:
    rules = policy(
        '@id("all") permit (principal is Service, action, resource);'
        '@id("not-web") forbid (principal == Service::"shop/web", action == Action::"refund", resource);'
    ).rules
    assert rules.decide(request(WEB, "POST", "/charge")).allowed
    denied = rules.decide(request(WEB, "POST", "/charge/refund"))
    assert not denied.allowed
    assert denied.rule is not None
    assert denied.rule.id == "not-web"
    assert rules.decide(request(UNKNOWN, "POST", "/charge/refund")).allowed
    assert not rules.decide(request(STRANGER, "POST", "/charge")).allowed
    assert not rules.decide(request(WEB, "DELETE", "/charge")).allowed


def test_a_request_is_every_operation_that_it_matches() -> None:
    rules = policy(
        '@id("reads") permit (principal is Service, action == Action::"read", resource);'
        '@id("one") forbid (principal is Service, action == Action::"one", resource);'
    ).rules
    assert rules.decide(request(WEB, "GET", "/orders/2")).allowed
    assert not rules.decide(request(WEB, "GET", "/orders/1")).allowed


def test_groups_namespaces_and_domains_have_the_members_of_now() -> None:
    group = policy('@id("g") permit (principal in Group::"back-team", action, resource);').rules
    assert [group.decide(request(one, "PUT", "/a")).allowed for one in (AUDIT, WEB, UNKNOWN)] == [True, False, False]
    domain = policy('@id("d") permit (principal in TrustDomain::"partner.example", action, resource);').rules
    assert [domain.decide(request(one, "PUT", "/a")).allowed for one in (PARTNER, WEB, STRANGER)] == [
        True,
        False,
        False,
    ]


def test_a_path_with_two_readings_is_none_that_lies_below_a_prefix() -> None:
    rules = policy('@id("a") permit (principal is Service, action, resource);').rules
    assert rules.decide(request(WEB, "GET", "/orders/a")).allowed
    for path in ("/orders/..;/charge", "/orders/%2e%2e", "/orders/a\\b", "/orders/%5c"):
        assert not rules.decide(request(WEB, "GET", path)).allowed, path


REFUSED = {
    "an unknown service": (
        '@id("a") permit (principal == Service::"shop/wep", action, resource);',
        "policy-unknown-name",
        '"shop/wep"',
    ),
    "an unknown group": (
        '@id("a") permit (principal in Group::"nobody", action, resource);',
        "policy-unknown-name",
        '"nobody"',
    ),
    "one of ours as a peer": (
        '@id("a") permit (principal == Peer::"spiffe://shop.example/ns/shop/sa/web", action, resource);',
        "policy-bad-peer",
        '"spiffe://shop',
    ),
    "an unknown operation": (WEB_MAY + 'action == Action::"chrge", resource);', "policy-unknown-operation", '"chrge"'),
    "a permit for anyone": ('@id("a") permit (principal, action, resource);', "policy-for-anyone", "principal,"),
    "a permit for all peers": (
        '@id("a") permit (principal is Peer, action, resource);',
        "policy-for-anyone",
        "is Peer",
    ),
    "another kind of caller": (
        '@id("a") permit (principal is User, action, resource);',
        "policy-unknown-name",
        "is User",
    ),
    "a slot": ('@id("a") permit (principal == ?principal, action, resource);', "policy-template-slot", "?principal"),
    "no name": ("permit (principal is Service, action, resource);", "policy-bad-id", "permit"),
    "a bad name": ('@id("A b") permit (principal is Service, action, resource);', "policy-bad-id", '"A b"'),
    "an unknown annotation": (
        '@id("a") @note("x") permit (principal is Service, action, resource);',
        "policy-unknown-annotation",
        "note",
    ),
    "another service": (WEB_MAY + 'action, resource == Service::"shop/web");', "policy-wrong-place", "permit"),
    "a resource that is no service": (WEB_MAY + "action, resource is Namespace);", "policy-wrong-place", "resource is"),
    "arithmetic": (WEB_MAY + "action, resource) when { context.port + 1 == 3 };", "policy-not-exact", "=="),
    "request against request": (
        WEB_MAY + "action, resource) when { context.path == context.port };",
        "policy-not-exact",
        "==",
    ),
    "a query": (WEB_MAY + 'action, resource) when { context.query == "a" };', "policy-not-exact", "=="),
    "an action in a condition": (
        WEB_MAY + 'action, resource) when { action == Action::"charge" };',
        "policy-not-exact",
        "action ==",
    ),
    "an encoded slash": (
        WEB_MAY + 'action, resource) when { context.path == "/a%2fb" };',
        "policy-path-never-matches",
        '"/a%2fb"',
    ),
    "dot segments": (
        WEB_MAY + 'action, resource) when { context.path like "/a/../*" };',
        "policy-path-never-matches",
        "like",
    ),
    "two slashes": (
        WEB_MAY + 'action, resource) when { context.path == "//a" };',
        "policy-path-never-matches",
        '"//a"',
    ),
    "a path without slash": (
        WEB_MAY + 'action, resource) when { context.path like "a*" };',
        "policy-path-never-matches",
        "like",
    ),
    "a long pattern": (
        WEB_MAY + f'action, resource) when {{ context.path like "/{"a" * 60}*b*" }};',
        "policy-pattern-too-long",
        "like",
    ),
    "a header that proxies set": (
        WEB_MAY + 'action, resource) when { context.headers has "x-forwarded-for" };',
        "policy-bad-header",
        "headers",
    ),
    "a header in upper case": (
        WEB_MAY + 'action, resource) when { context.headers has "X-A" };',
        "policy-bad-header",
        "headers",
    ),
    "a header value with a comma": (
        WEB_MAY + 'action, resource) when { context.headers has a && context.headers.a.contains("x, y") };',
        "policy-bad-header",
        "headers.a.c",
    ),
    "a header left out": (
        WEB_MAY + 'action, resource) when { !(context.headers has "x-a") };',
        "policy-header-escapes",
        "headers",
    ),
    "a header in unless": (
        WEB_MAY + 'action, resource) unless { context.headers has "x-a" };',
        "policy-header-escapes",
        "headers",
    ),
    "a header in a forbid": (
        '@id("a") forbid (principal, action, resource) when { context.headers has "x-a" };',
        "policy-header-escapes",
        "headers",
    ),
    "a header that may be absent": (
        WEB_MAY + 'action, resource) when { context.headers["x-a"].contains("b") };',
        "policy-not-valid",
        '"x-a"',
    ),
    "an unknown class of data": (
        '@id("a") permit (principal is Service, action, resource) when { principal.data.contains("gold") };',
        "policy-unknown-name",
        '"gold"',
    ),
    "exclusive conditions": (
        WEB_MAY + 'action, resource) when { context.path == "/a" && context.path == "/b" };',
        "policy-never-applies",
        "permit",
    ),
    "a prefix outside the operation": (
        WEB_MAY + 'action == Action::"charge", resource) when { context.path like "/orders/*" };',
        "policy-never-applies",
        "permit",
    ),
    "no Cedar": ('@id("a") permit (principal is Service action, resource);', "bad-cedar", "action,"),
    "an unknown variable": (WEB_MAY + "action, resource) when { foo };", "bad-cedar", "foo"),
    "an open string": ('@id("a permit (principal is Service, action, resource);', "bad-cedar", '"a permit'),
    "no end": ('@id("a") permit (principal is Service, action, resource)', "bad-cedar", ")"),
}


@pytest.mark.parametrize(("cedar", "code", "word"), [pytest.param(*case, id=name) for name, case in REFUSED.items()])
def test_what_cannot_be_enforced_as_written_is_refused_where_it_stands(cedar: str, code: str, word: str) -> None:
    found = only(cedar)
    assert found.code == code, str(found)
    assert found.place is not None
    assert (found.place.file, found.place.line) == (FILE, 1)
    assert cedar[found.place.column - 1 :].startswith(word), cedar[found.place.column - 1 :]


def test_everything_wrong_comes_at_once_with_its_line() -> None:
    found = refused(
        '@id("a") permit (principal == Service::"x/y", action == Action::"no", resource)\n'
        'when { context.time > 3 && context.path == "a" };\n'
        "permit (principal, action, resource);\n"
        '@id("c") permit (principal is Service action);\n'
    )
    assert [(one.code, one.place.line if one.place else 0) for one in found] == [
        ("policy-unknown-name", 1),
        ("policy-unknown-operation", 1),
        ("policy-not-exact", 2),
        ("policy-path-never-matches", 2),
        ("policy-bad-id", 3),
        ("policy-for-anyone", 3),
        ("bad-cedar", 4),
    ]


def test_two_rules_with_one_name_are_refused() -> None:
    twice = '@id("a") permit (principal is Service, action, resource);\n' * 2
    assert only(twice).code == "policy-duplicate-id"


HOSTILE = {
    "brackets": "(" * 100_000,
    "negations": WEB_MAY + "action, resource) when { " + "!" * 5_000 + "true };",
    "annotations": "@id(" * 1_000,
    "quotes": '"' * 999,
    "backslashes": "\\" * 50,
    "keywords": "permit" * 1_000,
    "operators": "&& " * 9_000,
    "semicolons": ";" * 3_000,
    "comments": "//\n" * 9_000 + "x",
    "alternatives": WEB_MAY + "action, resource) when { " + " || ".join(['context.path == "/charge"'] * 3_000) + " };",
    "attributes": WEB_MAY + "action, resource) when { context" + ".a" * 9_000 + " };",
    "indices": WEB_MAY + "action, resource) when { context" + '["a"]' * 9_000 + " };",
    "choices": WEB_MAY + "action, resource) when { " + "if true then true else " * 9_000 + "true };",
    "sums": WEB_MAY + "action, resource) when { " + "1 + " * 9_000 + "1 == 2 };",
    "names": WEB_MAY + "action, resource) when { " + "a::" * 30_000 + "b };",
    "clauses": WEB_MAY + "action, resource)" + " when { true }" * 9_000 + ";",
    "a list": WEB_MAY + "action, resource) when { [" + "1, " * 30_000 + "1].contains(context.port) };",
}


@pytest.mark.parametrize("hostile", [pytest.param(text, id=name) for name, text in HOSTILE.items()])
def test_hostile_text_is_refused_and_does_not_end_the_process(hostile: str) -> None:
    assert refused(hostile)


def test_as_many_conditions_as_fit_are_read() -> None:
    chain = " || ".join(['context.path == "/charge"'] * 90)
    assert policy(WEB_MAY + f"action, resource) when {{ {chain} }};").rules.rules
    assert only(WEB_MAY + f"action, resource) when {{ {chain} || {chain} }};").code == "policy-too-long"


def test_invisible_characters_are_refused_also_in_comments() -> None:
    assert only("// \u202epermit\n" + WEB_MAY + "action, resource);").code == "invisible-character"
