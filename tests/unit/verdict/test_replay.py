from __future__ import annotations

import pytest

from tests.kit.policies import PAYMENTS, policy_book
from tests.kit.verdicts import kind
from trustplane.policy.access import Access, Verdict
from trustplane.policy.compile import compiled
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.replay import CannotTell, replayed

CHARGE = '@id("charge") permit (principal == Service::"shop/checkout", action == Action::"charge", resource);'
WITH_TEAM = (
    '@id("team") permit (principal == Service::"shop/checkout", action == Action::"charge", resource) '
    'when { context.headers has "x-team" && context.headers["x-team"].contains("a") };'
)
READ_ALL = '@id("read") permit (principal == Service::"shop/checkout", action == Action::"read", resource);'
READ_ONE = '@id("one") permit (principal == Service::"shop/checkout", action == Action::"one", resource);'


def rules(*cedar: str) -> Access:
    return compiled(policy_book("\n".join(cedar)).rules_of(PAYMENTS))


def folded(seen: DecisionKind) -> DecisionKind:
    return seen.with_path(seen.path.below("/orders/"))


def test_what_is_recorded_decides() -> None:
    assert replayed(rules(CHARGE), kind()) == Verdict(allowed=True, rule="charge")
    assert replayed(rules(CHARGE), kind("GET")) == Verdict(allowed=False, rule=None)


def test_a_header_that_was_not_recorded_is_not_guessed() -> None:
    assert replayed(rules(WITH_TEAM), kind()) == CannotTell("team")


def test_a_header_does_not_matter_where_another_rule_decides() -> None:
    assert replayed(rules(CHARGE, WITH_TEAM), kind()) == Verdict(allowed=True, rule="charge")
    assert replayed(rules(WITH_TEAM), kind("GET")) == Verdict(allowed=False, rule=None)


def test_a_folded_path_decides_where_all_below_it_is_alike() -> None:
    assert replayed(rules(READ_ALL), folded(kind("GET", "/orders/7"))) == Verdict(allowed=True, rule="read")
    assert replayed(rules(CHARGE), folded(kind("GET", "/orders/7"))) == Verdict(allowed=False, rule=None)


def test_a_folded_path_cannot_tell_one_below_from_another() -> None:
    assert replayed(rules(READ_ONE), folded(kind("GET", "/orders/7"))) == CannotTell("one")


@pytest.mark.parametrize("path", ["/orders/..;/x", "/orders/%2e"])
def test_a_path_with_two_readings_stays_one_when_folded(path: str) -> None:
    assert replayed(rules(READ_ALL), folded(kind("GET", path))) == Verdict(allowed=False, rule=None)
