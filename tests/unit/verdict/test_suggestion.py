"""A suggested policy allows what was used, is one that is accepted, and says what a person should look at."""

from __future__ import annotations

from tests.kit.policies import AUDIT, CHECKOUT, PARTNER, PAYMENTS, UNKNOWN, WEB, payments, policy_book
from tests.kit.verdicts import tally
from trustplane.policy.access import Verdict
from trustplane.spiffe.ids import SpiffeId
from trustplane.verdict.decision import DecisionKind, SeenPath
from trustplane.verdict.effect import effect
from trustplane.verdict.suggestion import Suggestion, suggestion
from trustplane.verdict.tally import Tally

BOOK = policy_book('@id("all") permit (principal is Service, action, resource);')
YES, NO = Verdict(allowed=True, rule="all"), Verdict(allowed=False, rule=None)


def used(caller: SpiffeId | None, method: str, path: str, verdict: Verdict = YES) -> DecisionKind:
    return DecisionKind(PAYMENTS, caller, method, SeenPath.of(path), 20203, None, verdict)


def suggested(traffic: dict[DecisionKind, Tally]) -> Suggestion:
    return suggestion(BOOK.state, payments(BOOK), traffic)


def test_callers_with_the_same_operations_share_a_use() -> None:
    traffic = {
        used(CHECKOUT, "POST", "/charge"): tally(50),
        used(WEB, "POST", "/charge"): tally(20),
        used(AUDIT, "GET", "/orders/7"): tally(3),
        used(WEB, "GET", "/orders/7", NO): tally(99),
    }
    found = suggested(traffic)
    assert found.policy == (
        "- use: caller-may-call@1\n  id: charge\n  callers: [shop/checkout, shop/web]\n  operations: [charge]\n"
        "# rare: back/audit used read 3 times, last 2026-11-27\n"
        "- use: caller-may-call@1\n  id: read\n  callers: [back/audit]\n  operations: [read]\n"
    )
    accepted = policy_book(yaml=found.policy)
    allowed = {one: each for one, each in traffic.items() if one.allowed}
    assert effect(accepted.state, allowed).lines == ()
    assert [line.tally.count for line in effect(accepted.state, traffic).lines] == []


def test_callers_of_another_domain_are_partners() -> None:
    found = suggested({used(PARTNER, "POST", "/charge"): tally(10)})
    assert f"- use: federated-partner@1\n  id: partners-charge\n  partners: [{PARTNER}]\n" in found.policy


def test_what_no_rule_can_be_written_for_is_said() -> None:
    traffic = {
        used(CHECKOUT, "DELETE", "/x"): tally(2),
        used(UNKNOWN, "POST", "/charge"): tally(10),
        used(CHECKOUT, "GET", "/healthz", Verdict(allowed=True, rule="probes")): tally(1000),
    }
    found = suggested(traffic)
    assert found.policy == ""
    assert found.notes[:2] == (
        "DELETE /x is no declared operation and was allowed 2 times: declare it to allow it",
        f"{UNKNOWN} called and is no service of this repository: no rule is written for it",
    )
    assert "nobody used refund: no rule is written for it" in found.notes
