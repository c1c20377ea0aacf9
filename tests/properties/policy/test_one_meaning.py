"""Cedar, the checked rules and what a proxy is sent decide alike, whatever the policy and the request."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import assume, given, settings

from tests.kit.policies import PAYMENTS, REQUESTS, drawn_policies, drawn_request, payments, policies, policy_book
from trustplane.fault import Refused
from trustplane.policy.book import Book
from trustplane.policy.compile import as_written, compiled
from trustplane.policy.difference import difference
from trustplane.policy.oracle import Oracle
from trustplane.policy.tree import Request
from trustplane.xds import rbac, rbac_reading
from trustplane.xds.rbac_proof import proved

EXAMPLES = int(os.environ.get("TRUSTPLANE_POLICY_EXAMPLES", "40"))
pytestmark = pytest.mark.timeout(120 + 2 * EXAMPLES)
ACCEPTED = {"policy-never-applies", "policy-forbids-probe", "policy-not-valid"}


def read(cedar: str) -> Book:
    """What the profile refuses, of what is generated here, is only what has no effect or no type."""
    try:
        return policy_book(cedar)
    except Refused as refusal:
        codes = {one.code for one in refusal.findings}
    assume(not codes <= ACCEPTED)
    raise AssertionError(f"refused for {codes}: {cedar}")


@settings(max_examples=EXAMPLES, deadline=None)
@given(policies(), REQUESTS, REQUESTS, REQUESTS)
def test_cedar_rules_and_rbac_decide_alike(cedar: str, first: Request, second: Request, third: Request) -> None:
    book = read(cedar)
    rules = book.rules_of(PAYMENTS)
    oracle = Oracle(book.state, payments(book), book.policy_of(PAYMENTS).cedar)
    access = compiled(rules)
    sent = rbac_reading.access(rbac.allowing(access), rbac.denying(access))
    for request in (first, second, third):
        verdict = oracle.decide(request).allowed
        assert rules.decide(request).allowed is verdict, (cedar, request)
        assert access.decide(request).allowed is verdict, (cedar, request)
        assert sent.decide(request).allowed is verdict, (cedar, request)


@pytest.mark.parametrize(
    ("sets", "requests"),
    [pytest.param(10, 100), pytest.param(250, 500, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_they_agree_about_many_requests_of_many_policies(sets: int, requests: int) -> None:
    """With `make scenarios`, 125,000 requests; Envoy is asked a sample of them in tests/scenarios/policy."""
    draw, allowed = Random(7), 0
    for book in drawn_books(draw, sets):
        oracle = Oracle(book.state, payments(book), book.policy_of(PAYMENTS).cedar)
        access = proved(book.rules_of(PAYMENTS))
        for _ in range(requests):
            request = drawn_request(draw)
            verdict = oracle.decide(request).allowed
            assert access.decide(request).allowed is verdict, (book.policy_of(PAYMENTS).cedar, request)
            allowed += verdict
    assert 0 < allowed < sets * requests


def drawn_books(draw: Random, count: int) -> Iterator[Book]:
    """A rule that never applies is refused, and another is drawn in its place."""
    found = 0
    while found < count:
        with contextlib.suppress(Refused):
            book = policy_book(drawn_policies(draw))
            found += 1
            yield book


@settings(max_examples=EXAMPLES, deadline=None)
@given(policies())
def test_what_is_sent_is_proved_to_mean_what_was_written(cedar: str) -> None:
    book = read(cedar)
    assert proved(book.rules_of(PAYMENTS)) == compiled(book.rules_of(PAYMENTS))


@settings(max_examples=EXAMPLES, deadline=None)
@given(policies(), policies(), REQUESTS, REQUESTS, REQUESTS)
def test_a_difference_is_empty_exactly_if_no_request_shows_one(
    one: str, other: str, first: Request, second: Request, third: Request
) -> None:
    before, after = (as_written(read(cedar).rules_of(PAYMENTS)) for cedar in (one, other))
    regions = list(difference(before, after))
    for region in regions:
        assert before.decide(region.request).allowed is not region.newly_allowed
        assert after.decide(region.request).allowed is region.newly_allowed
    for request in (first, second, third):
        if before.decide(request).allowed is not after.decide(request).allowed:
            assert any(one.newly_allowed is after.decide(request).allowed for one in regions), request
    assert list(difference(after, after)) == []
