"""Two states of a repository: what becomes allowed and denied, and what a plan says of it."""

from __future__ import annotations

import pytest

from tests.kit.policies import FOLDER, PAYMENTS, policy_book
from trustplane.change.plan import Plan, plan
from trustplane.fault import Broken
from trustplane.policy import document
from trustplane.policy.access import Access, Grant
from trustplane.policy.comparison import Change, access_to, caller_names, compare
from trustplane.policy.tree import ANYTHING, EVERYONE, CallerIn
from trustplane.registry.model import DesiredState
from trustplane.registry.needs import Needs
from trustplane.spiffe.names import NodeName

WEB_MAY = '@id("web") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
SHOP_MAY = '@id("shop") permit (principal in Namespace::"shop", action in [Action::"charge", Action::"one"], resource);'


def state(cedar: str = "", yaml: str = "") -> DesiredState:
    return policy_book(cedar, yaml).state


def told(changes: list[Change], of: DesiredState) -> list[tuple[str, bool, tuple[str, ...]]]:
    return [(str(one.operation), one.region.newly_allowed, caller_names(of, one.region)) for one in changes]


def test_changes_are_by_operation_with_the_callers_by_name() -> None:
    before, after = state(WEB_MAY), state(SHOP_MAY)
    assert told(list(compare(before, after)), after) == [
        ("charge", True, ("shop/checkout", "shop/payments")),
        ("one", True, ("shop/checkout", "shop/payments", "shop/web")),
        ("read", True, ("shop/checkout", "shop/payments", "shop/web")),
    ]
    assert list(compare(after, after)) == []


def test_writing_down_what_was_declared_changes_nothing() -> None:
    written = state(yaml="use: caller-may-call@1\ncallers: [shop/checkout]\noperations: [charge]\n")
    assert list(compare(state(), written)) == []
    (added,) = plan(state(), written).items
    assert (added.kind.value, added.name, added.effects) == ("policy", "shop/payments", ())


def effects(of: Plan) -> list[tuple[bool, str]]:
    return [(effect.dangerous, effect.text) for item in of.items for effect in item.effects]


def test_a_plan_says_what_becomes_allowed_and_calls_it_dangerous() -> None:
    assert effects(plan(state(WEB_MAY), state(SHOP_MAY)))[:1] == [
        (True, "newly allowed: charge by shop/checkout, shop/payments, for example POST /charge; by rule shop")
    ]
    assert effects(plan(state(SHOP_MAY), state(WEB_MAY)))[:1] == [
        (
            False,
            "newly denied: charge by shop/checkout, shop/payments, for example POST /charge; until now by rule shop",
        )
    ]


def test_a_declared_call_says_nothing_where_a_policy_decides() -> None:
    """web declares the call and the policy does not let it: a plan must not say that it gains it."""
    calls = "selectors: [unix:uid:1]\nports: {app: 20101, mesh: 20201}\n"
    before = policy_book(SHOP_MAY, **{"services/shop/web/service.yaml": calls}).state
    declared = calls + "calls: {shop/payments: {operations: [refund], listen: 20305}}\n"
    after = policy_book(SHOP_MAY, **{"services/shop/web/service.yaml": declared}).state
    assert "gains" not in str(effects(plan(before, after)))


def test_a_node_is_told_the_compiled_policy_and_no_callers_beside_it() -> None:
    found = state(WEB_MAY)
    (sidecar,) = (one for one in Needs(found, 1, {}, ()).of(NodeName("n")).sidecars if one.service == PAYMENTS)
    assert sidecar.callers == ()
    assert document.decode(sidecar.policy) == access_to(found, PAYMENTS)
    (other,) = (one for one in Needs(state(), 1, {}, ()).of(NodeName("n")).sidecars if one.service == PAYMENTS)
    assert (other.policy, len(other.callers)) == (b"", 1)


def test_a_document_is_read_back_the_same_and_equal_trees_have_one() -> None:
    one = access_to(state(SHOP_MAY), PAYMENTS)
    assert document.decode(document.encode(one)) == one
    assert document.encode(access_to(state(SHOP_MAY + "\n"), PAYMENTS)) == document.encode(one)


GRANT = '{"name":"a","request":REQUEST,"who":{"domains":[],"everyone":false,"ids":["spiffe://a/b"],"without":[],"without_domains":[]}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"version":2,"deny":[],"allow":[]}',
        '{"version":1,"deny":[],"allow":[],"more":1}',
        '{"version":1,"allow":[]}',
        *(
            '{"version":1,"deny":[],"allow":[' + GRANT.replace("REQUEST", one) + "]}"
            for one in (
                '["query","a"]',
                '["method"]',
                '["port","80","90"]',
                '["path"]',
                '["header","a","b","c"]',
                "[]",
                '"x"',
            )
        ),
        '{"version":1,"deny":[],"allow":['
        + GRANT.replace("REQUEST", '["anything"]').replace("spiffe://a/b", "a")
        + "]}",
        '{"version":1,"deny":[],"allow":[' + GRANT.replace("REQUEST", '["anything"]').replace("false", '"no"') + "]}",
    ],
)
def test_what_is_not_understood_is_not_enforced_in_part(text: str) -> None:
    with pytest.raises(Broken, match="policy-document-unreadable"):
        document.decode(text.encode())


def test_a_condition_about_the_caller_is_no_part_of_a_document() -> None:
    with pytest.raises(Broken, match="policy-document-unreadable"):
        document.encode(Access((), (Grant("g", EVERYONE, CallerIn(EVERYONE)),)))
    assert document.decode(document.encode(Access((), (Grant("g", EVERYONE, ANYTHING),)))).allow[0].name == "g"


def test_the_files_of_a_policy_stand_beside_its_service() -> None:
    assert f"services/{PAYMENTS}/" == FOLDER
