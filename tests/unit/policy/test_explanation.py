"""Which rule decides, and for a denial which comes nearest."""

from __future__ import annotations

import pytest

from tests.kit.partner import Partner, federated
from tests.kit.policies import CHECKOUT, PAYMENTS, STRANGER, WEB, policy_book, request
from trustplane.fault import Refused
from trustplane.policy.book import read
from trustplane.policy.explanation import Explanation, explain
from trustplane.policy.question import asked
from trustplane.policy.rules import probes_of
from trustplane.policy.tree import Request
from trustplane.spiffe.ids import SpiffeId

RULES = (
    '@id("charge") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
    '@id("team") permit (principal == Service::"shop/checkout", action in [Action::"refund", Action::"one"], resource)'
    ' when { context.headers has "x-team" && context.headers["x-team"].contains("a") && context.path != "/x" };'
)


def answer(of: Request, cedar: str = RULES) -> Explanation:
    book = policy_book(cedar)
    return explain(book.state, book.rules_of(PAYMENTS), probes_of(book.state, book.state.services[PAYMENTS]), of)


def test_an_allowed_request_names_its_rule() -> None:
    rule = answer(request(WEB, "POST", "/charge")).decision.rule
    assert rule is not None
    assert rule.id == "charge"


def test_a_denied_one_names_the_nearest_rule_and_all_it_lacks() -> None:
    near = answer(request(CHECKOUT, "GET", "/orders/2")).nearest
    assert near is not None
    assert near.rule.id == "team"
    assert near.lacks == ("the path were /orders/1", "a header x-team were a")
    near = answer(request(CHECKOUT, "POST", "/charge")).nearest
    assert near is not None
    assert (near.rule.id, near.lacks) == ("charge", ("the caller were shop/web, not shop/checkout",))


def test_a_probe_is_open_to_the_domain_and_says_so() -> None:
    probe = answer(request(CHECKOUT, "GET", "/healthz")).decision
    assert probe.allowed
    assert probe.rule is not None
    assert probe.rule.id == "probes"
    assert not answer(request(STRANGER, "GET", "/healthz")).decision.allowed


def test_without_a_policy_the_declared_callers_decide() -> None:
    rule = answer(request(CHECKOUT, "POST", "/charge"), "").decision.rule
    assert rule is not None
    assert rule.id == "declared.shop.checkout"


def test_a_question_is_read_as_a_proxy_reads_it() -> None:
    state = policy_book(RULES).state
    found, service = asked(state, "web POST /x/../charge?a=b payments")
    assert (found.caller, found.method, found.path, found.port) == (WEB, "POST", "/charge", 20203)
    assert service.name == PAYMENTS
    assert asked(state, f"{STRANGER} GET / shop/payments")[0].caller == STRANGER


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("web POST /charge", "bad-question"),
        ("wep POST /charge payments", "unknown-service"),
        ("web POST /a%2fb payments", "target-refused"),
        ("web P@ST / payments", "bad-question"),
    ],
)
def test_a_question_that_is_none_is_refused(question: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        asked(policy_book(RULES).state, question)
    assert refusal.value.code == code


def test_a_service_that_is_not_there_is_said_in_words() -> None:
    with pytest.raises(Refused, match="no service is called wep"):
        asked(policy_book(RULES).state, "wep POST /charge payments")


def test_a_caller_of_another_domain_that_is_declared_is_let_in_for_what_is_declared() -> None:
    book = read(federated(Partner()))
    service = book.state.services[PAYMENTS]
    api, spy = (SpiffeId.parse(f"spiffe://partner.example/ns/{one}") for one in ("billing/sa/api", "hr/sa/spy"))

    def ask(caller: SpiffeId, path: str) -> Explanation:
        return explain(book.state, book.rules_of(PAYMENTS), None, Request(caller, "POST", path, (), 20203))

    allowed = ask(api, service.operations[0].path).decision
    assert allowed.allowed
    assert allowed.rule is not None
    assert allowed.rule.id == "foreign.partner.example/ns/billing/"
    assert not ask(api, "/elsewhere").decision.allowed
    assert not ask(spy, service.operations[0].path).decision.allowed
