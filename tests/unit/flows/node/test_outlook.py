"""Danger is told while there is time, only when something is wrong, and with what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.sidecars import authority, keyed
from trustplane.fault import Unavailable
from trustplane.flows.clock_skew import Skew
from trustplane.flows.node.outlook import Held, first_expiry, invalid_by_the_clock, leaf_in_danger, node_in_danger

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RENEW_AT = NOON + 0.6 * HOUR
SVID = keyed(authority(), "spiffe://acme.example/ns/shop/sa/web", not_before=NOON, not_after=NOON + HOUR).svid
AWAY = Unavailable(code="peer-unavailable", what="no server answered", why="it is down", fix="start it")


@pytest.mark.parametrize(
    ("share", "failed", "red"),
    [(0.5, True, False), (0.7, True, False), (0.76, True, True), (0.62, False, False), (0.76, False, True)],
)
def test_red_when_the_renewal_failed_or_is_overdue_and_a_quarter_is_left(
    share: float,
    failed: bool,  # noqa: FBT001 - the parameter
    red: bool,  # noqa: FBT001 - the parameter
) -> None:
    held = Held(SVID, RENEW_AT, AWAY if failed else None)
    assert (leaf_in_danger(held, NOON + share * HOUR) is not None) == red
    assert (node_in_danger(held, NOON + share * HOUR) is not None) == red


def test_a_late_renewal_instant_alone_is_no_danger() -> None:
    assert leaf_in_danger(Held(SVID, NOON + 0.89 * HOUR, None), NOON + 0.85 * HOUR) is None


def test_the_reason_names_which_why_and_how_long() -> None:
    found = leaf_in_danger(Held(SVID, RENEW_AT, AWAY), NOON + timedelta(minutes=50))
    assert found is not None
    assert "sa/web" in found.what
    assert "10 min" in found.what
    assert (found.why, found.fix) == ("no server answered", "start it")


def test_what_has_expired_is_no_longer_about_to() -> None:
    assert leaf_in_danger(Held(SVID, RENEW_AT, AWAY), NOON + HOUR) is None


def test_the_clock_is_named_when_it_alone_makes_an_svid_invalid() -> None:
    right = Skew(timedelta(0), timedelta(seconds=1), NOON)
    ahead = Skew(-HOUR, timedelta(seconds=1), NOON)
    behind = invalid_by_the_clock(SVID, NOON - timedelta(seconds=1), None)
    assert behind is not None
    assert behind.code == "clock-behind"
    expired = NOON + 1.5 * HOUR
    assert invalid_by_the_clock(SVID, expired, None) is None
    assert invalid_by_the_clock(SVID, expired, right) is None
    found = invalid_by_the_clock(SVID, expired, ahead)
    assert found is not None
    assert found.code == "clock-ahead"


def test_the_first_expiry() -> None:
    assert first_expiry([]) is None
    assert first_expiry([SVID]) == NOON + HOUR
