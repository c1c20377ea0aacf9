"""Newly allowed and newly denied, exactly, with the shortest request."""

from __future__ import annotations

from tests.kit.policies import CHECKOUT, PAYMENTS, WEB, policy
from trustplane.policy.access import Access, Grant
from trustplane.policy.compile import compiled
from trustplane.policy.difference import Region, difference, is_empty
from trustplane.policy.tree import (
    ANYTHING,
    EVERYONE,
    Expression,
    HeaderIs,
    HeaderPresent,
    Method,
    Not,
    Path,
    Port,
    Who,
    all_of,
    any_of,
)
from trustplane.spiffe.ids import SpiffeId, TrustDomain

ONLY_WEB = Who(ids=frozenset({WEB}))
OUR_DOMAIN = Who(domains=frozenset({WEB.trust_domain}))


def allowing(*requests: Expression, who: Who = ONLY_WEB) -> Access:
    return Access((), tuple(Grant(f"g{at}", who, one) for at, one in enumerate(requests)))


def told(before: Access, after: Access) -> list[tuple[bool, str]]:
    return [(one.newly_allowed, one.request.path) for one in difference(before, after)]


def test_the_same_said_in_other_words_is_no_difference() -> None:
    one = allowing(Path(("/a/", "")), Path(("/b",)))
    other = allowing(any_of(Path(("/b",)), Path(("/a/", ""))), Path(("/a/x",)), Path(("/a/", "/y")))
    assert told(one, other) == []


def test_a_wider_prefix_is_newly_allowed_and_a_lost_slash_is_found() -> None:
    assert told(allowing(Path(("/admin/", ""))), allowing(Path(("/admin", "")))) == [(True, "/admin")]
    assert told(allowing(Path(("/a",))), allowing(Path(("/b",)))) == [(False, "/a"), (True, "/b")]


def test_methods_headers_and_ports_are_told_apart() -> None:
    get, post = (all_of(Method(name), Path(("/a",))) for name in ("GET", "POST"))
    (region,) = difference(allowing(get), allowing(get, post))
    assert (region.request.method, region.newly_allowed) == ("POST", True)
    has, contains = HeaderPresent("x-a"), HeaderIs("x-a", "1")
    (region,) = difference(allowing(contains), allowing(has))
    assert region.request.headers == (("x-a", "other"),)
    assert told(allowing(has, contains), allowing(has)) == []
    (region,) = difference(allowing(Port(80, 81)), allowing(Port(80, 82)))
    assert region.request.port == 81


def test_any_method_is_more_than_the_methods_named() -> None:
    every = any_of(*(all_of(Method(one), Path(("/a",))) for one in ("GET", "POST", "PATCH")))
    (region,) = difference(allowing(every), allowing(Path(("/a",))))
    assert region.request.method not in {"GET", "POST", "PATCH"}


def test_callers_that_are_not_named_are_told_from_those_that_are() -> None:
    (region,) = difference(allowing(ANYTHING), allowing(ANYTHING, who=OUR_DOMAIN))
    assert region.request.caller not in {WEB, CHECKOUT}
    assert region.request.caller.trust_domain == WEB.trust_domain
    (outside,) = difference(allowing(ANYTHING, who=OUR_DOMAIN), allowing(ANYTHING, who=EVERYONE))
    assert outside.request.caller.trust_domain != WEB.trust_domain


def test_domains_whose_names_begin_alike_are_different() -> None:
    evil = Who(domains=frozenset({TrustDomain("shop.example.evil")}))
    regions: list[Region] = list(difference(allowing(ANYTHING, who=OUR_DOMAIN), allowing(ANYTHING, who=evil)))
    assert {one.newly_allowed for one in regions} == {True, False}


def test_a_forbid_that_goes_is_newly_allowed() -> None:
    deny = (Grant("d", EVERYONE, Path(("/a",))),)
    before = Access(deny, allowing(Path(("/", ""))).allow)
    assert told(before, allowing(Path(("/", "")))) == [(True, "/a")]


def test_emptiness_is_found_where_conditions_exclude_each_other() -> None:
    assert is_empty(allowing(all_of(Path(("/a",)), Path(("/b",)))))
    assert is_empty(allowing(all_of(Path(("/a/", "")), Not(Path(("/", ""))))))
    assert not is_empty(allowing(all_of(Path(("/", "")), Not(Path(("/a/", ""))))))


def test_regions_name_the_rules_and_the_callers_that_are_alike() -> None:
    before = policy('@id("a") permit (principal in Namespace::"shop", action == Action::"charge", resource);')
    after = policy('@id("b") permit (principal == Service::"shop/payments", action == Action::"charge", resource);')
    (region,) = difference(compiled(before.rules), compiled(after.rules))
    assert (region.before, region.after, region.newly_allowed) == ("a", None, False)
    assert region.callers == (CHECKOUT, WEB)
    assert SpiffeId(WEB.trust_domain, ("ns", PAYMENTS.namespace, "sa", PAYMENTS.name)) not in region.callers
