"""The requests there were in each region of a difference."""

from __future__ import annotations

from tests.kit.policies import PARTNER, PAYMENTS, UNKNOWN, WEB, policy_book
from tests.kit.verdicts import kind, tally
from trustplane.policy.access import Verdict
from trustplane.policy.comparison import Change, compare
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import SpiffeId
from trustplane.verdict.decision import DecisionKind, SeenPath
from trustplane.verdict.live import Live, Traffic

CHARGE = '@id("charge") permit (principal == Service::"shop/checkout", action == Action::"charge", resource);'
READ = '@id("read") permit (principal == Service::"shop/web", action == Action::"read", resource);'
ALL_READ = '@id("read") permit (principal is Service, action == Action::"read", resource);'
TEAM = (
    '@id("team") permit (principal == Service::"shop/checkout", action == Action::"charge", resource) '
    'when { context.headers has "x-team" };'
)


def state(*cedar: str) -> DesiredState:
    return policy_book("\n".join(cedar)).state


def reading(caller: SpiffeId) -> DecisionKind:
    return DecisionKind(PAYMENTS, caller, "GET", SeenPath("/orders/9"), 20203, None, Verdict(allowed=False, rule=None))


def counted(
    before: DesiredState, after: DesiredState, traffic: dict[DecisionKind, int]
) -> dict[tuple[str, bool], Live]:
    changes = list(compare(before, after))
    live = Traffic(before, after, {one: tally(count) for one, count in traffic.items()})
    return {(_name(one), one.region.newly_allowed): live.of(one, changes) for one in changes}


def _name(change: Change) -> str:
    return str(change.operation)


def test_each_change_has_the_requests_that_are_in_it() -> None:
    traffic = {kind(rule="charge"): 5, reading(WEB): 3, kind("GET", "/none", allowed=False): 100}
    found = counted(state(CHARGE), state(READ), traffic)
    assert found["charge", False] == Live(5)
    assert found["read", True] == Live(3)


def test_callers_that_nobody_names_are_in_the_region_of_all_others() -> None:
    traffic = {reading(UNKNOWN): 2, reading(WEB): 3, reading(PARTNER): 9}
    found = counted(state(CHARGE, READ), state(CHARGE, ALL_READ), traffic)
    assert found["read", True] == Live(2)


def test_what_hangs_on_a_header_is_counted_as_unknown() -> None:
    found = counted(state(CHARGE), state(TEAM), {kind(rule="charge"): 4})
    assert found["charge", False] == Live(0, unknown=4)
