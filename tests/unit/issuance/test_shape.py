"""What an order says, when there is none, and that it is redeemed once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.kit.issuing_ports import NODE, NOON, WEB, MemoryAuthority, leaf_key, profile
from trustplane.fault import Broken, Unavailable
from trustplane.issuance.admit import Admitted, Right, admit
from trustplane.issuance.ask import Ask
from trustplane.issuance.csr import Csr
from trustplane.issuance.shape import Order, shape
from trustplane.trust.authority import AuthorityKind

AUTHORITY = MemoryAuthority.at(NOON)
SERIAL = (1 << 126) + 7


def admitted(lifetime: timedelta = timedelta(hours=1)) -> Admitted:
    return admit(Ask(NODE, WEB, Csr.parse(leaf_key().csr())), Right(NODE, WEB, profile(lifetime=lifetime)))


def order_at(at: datetime, lifetime: timedelta = timedelta(hours=1)) -> Order:
    return shape(admitted(lifetime), AUTHORITY.issuing, SERIAL, at)


def test_a_leaf_lives_as_its_profile_says_from_a_backdated_start() -> None:
    order = order_at(NOON + timedelta(hours=3, microseconds=5))
    assert order.not_before == NOON + timedelta(hours=3) - timedelta(seconds=30)
    assert order.not_after == NOON + timedelta(hours=4)


def test_a_leaf_is_cut_to_its_authoritys_end() -> None:
    ends = AUTHORITY.issuing.not_after
    assert order_at(ends - timedelta(minutes=10)).not_after == ends


def test_a_leaf_never_begins_before_its_authority() -> None:
    begins = AUTHORITY.issuing.not_before
    assert order_at(begins).not_before == begins


def test_too_little_left_is_not_worth_a_leaf() -> None:
    ends = AUTHORITY.issuing.not_after
    assert order_at(ends - timedelta(seconds=20)).not_after == ends
    with pytest.raises(Unavailable) as unavailable:
        order_at(ends - timedelta(seconds=19))
    assert unavailable.value.code == "authority-ends-too-soon"
    assert ends.isoformat() in unavailable.value.finding.why


def test_a_clock_that_is_behind_the_authority_is_told_by_how_much() -> None:
    early = AUTHORITY.issuing.not_before - timedelta(days=400)
    with pytest.raises(Unavailable) as unavailable:
        order_at(early)
    assert unavailable.value.code == "authority-not-yet-valid"
    assert early.isoformat() in unavailable.value.finding.what
    assert AUTHORITY.issuing.not_before.isoformat() in unavailable.value.finding.why


def test_a_clock_years_ahead_is_unavailable_and_not_a_leaf() -> None:
    with pytest.raises(Unavailable, match="authority-ends-too-soon"):
        order_at(NOON + timedelta(days=20_000))


def test_an_order_is_redeemed_once() -> None:
    order = order_at(NOON)
    body = order.redeem()
    assert body
    with pytest.raises(Broken, match="order-redeemed-twice"):
        order.redeem()
    with pytest.raises(Broken, match="order-already-gone"):
        order.peek()


@pytest.mark.parametrize("serial", [0, -1, 1 << 159])
def test_a_serial_that_no_certificate_may_have_is_broken(serial: int) -> None:
    with pytest.raises(Broken, match="bad-serial"):
        shape(admitted(), AUTHORITY.issuing, serial, NOON)


def test_a_jwt_authority_signs_no_certificate() -> None:
    jwt = replace(AUTHORITY.issuing, kind=AuthorityKind.JWT, certificate=None)
    with pytest.raises(Broken, match="authority-signs-no-certificates"):
        shape(admitted(), jwt, SERIAL, NOON)
