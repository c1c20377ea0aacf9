"""What other policies would have done to requests that were logged."""

from __future__ import annotations

from tests.kit.policies import CHECKOUT, PAYMENTS, WEB, policy_book
from tests.kit.verdicts import kind, tally
from trustplane.policy.access import Verdict
from trustplane.registry.model import DesiredState
from trustplane.verdict.decision import DecisionKind, SeenPath
from trustplane.verdict.effect import REVOKED, Outcome, effect
from trustplane.xds import revoked

CHARGE = '@id("charge") permit (principal == Service::"shop/checkout", action == Action::"charge", resource);'
READ = '@id("read") permit (principal == Service::"shop/web", action == Action::"read", resource);'
TEAM = (
    '@id("team") permit (principal == Service::"shop/checkout", action == Action::"charge", resource) '
    'when { context.headers has "x-team" };'
)


def state(*cedar: str) -> DesiredState:
    return policy_book("\n".join(cedar)).state


def of_web(path: str, *, allowed: bool, rule: str | None = None) -> DecisionKind:
    return DecisionKind(PAYMENTS, WEB, "GET", SeenPath.of(path), 20203, None, Verdict(allowed=allowed, rule=rule))


def test_a_rule_that_is_taken_away_denies_those_who_used_it() -> None:
    traffic = {kind(rule="charge"): tally(7), of_web("/orders/9", allowed=True, rule="read"): tally(2)}
    found = effect(state(CHARGE), traffic)
    (line,) = found.lines
    assert (line.outcome, line.caller, line.operation) == (Outcome.NEWLY_DENIED, WEB, "read")
    assert (line.before, line.after, line.tally.count, found.same) == ("read", None, 2, 7)


def test_a_rule_that_is_new_allows_those_who_were_denied() -> None:
    (line,) = effect(state(CHARGE, READ), {of_web("/orders/9", allowed=False): tally(3)}).lines
    assert (line.outcome, line.before, line.after, str(line.path)) == (Outcome.NEWLY_ALLOWED, None, "read", "/orders/9")


def test_many_paths_of_one_operation_are_one_line() -> None:
    traffic = {of_web(f"/orders/{number}", allowed=True, rule="read"): tally(number) for number in range(2, 7)}
    (line,) = effect(state(CHARGE), traffic).lines
    assert (line.tally.count, str(line.path)) == (20, "/orders/6")


def test_a_rule_that_asks_for_a_header_cannot_be_told() -> None:
    found = effect(state(TEAM), {kind(rule="charge"): tally(4)})
    (line,) = found.lines
    assert (line.outcome, line.after, found.same) == (Outcome.CANNOT_TELL, "team", 0)


def test_operations_that_nobody_used_are_named() -> None:
    found = effect(state(CHARGE), {kind(rule="charge"): tally(1)})
    assert [operation for service, operation in found.not_exercised if service == PAYMENTS] == [
        "any",
        "one",
        "read",
        "refund",
    ]


def test_what_a_revocation_refused_is_no_policys_doing() -> None:
    found = effect(state(CHARGE), {kind(allowed=False, rule="revoked-ids"): tally(9)})
    assert found.lines == ()


def test_revocations_are_known_by_the_names_their_filter_gives_them() -> None:
    source = revoked.rules.__code__.co_consts
    assert {name for one in source if isinstance(one, tuple) for name in one if isinstance(name, str)} >= REVOKED


def test_a_service_that_is_gone_lets_nobody_in() -> None:
    gone = state(CHARGE)
    services = {name: one for name, one in gone.services.items() if name != PAYMENTS}
    without = DesiredState(gone.trust_domain, "standard", {}, {}, services)
    (line,) = effect(without, {kind(rule="charge"): tally(1)}).lines
    assert (line.outcome, line.caller) == (Outcome.NEWLY_DENIED, CHECKOUT)
