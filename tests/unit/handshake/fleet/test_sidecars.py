"""What a sidecar was while something failed: both sides of a change count around it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.handshakes import AT
from trustplane.handshake.fleet.sidecars import SEEN_LATE, Setups, Sidecar, facts_of
from trustplane.handshake.setup import Became, Setup, StoredSetup
from trustplane.spiffe.names import NodeName, ServiceName

WEB, PAY = (Sidecar(ServiceName("shop", name), NodeName("east")) for name in ("web", "pay"))
OLD, NEW = Setup("1.39.3", "0.9.1", "b" * 64, 17), Setup("1.40.0", "0.9.1", "b" * 64, 18)


def minute(number: float) -> timedelta:
    return timedelta(minutes=number)


def stored(of: Sidecar, minutes: float, setup: Setup) -> StoredSetup:
    return StoredSetup(of.node, Became(of.service, AT + minute(minutes), setup))


SETUPS = Setups([stored(WEB, 20, NEW), stored(WEB, 0, OLD), stored(PAY, 5, NEW)])


@pytest.mark.parametrize(
    ("first", "last", "was"),
    [(1, 2, [OLD]), (1, 30, [OLD, NEW]), (20, 21, [NEW]), (90, 99, [NEW]), (-9, -5, []), (-9, 3, [OLD])],
)
def test_all_that_it_was_in_a_time(first: float, last: float, was: list[Setup]) -> None:
    assert SETUPS.during(WEB, AT + minute(first), AT + minute(last)) == was


def test_just_before_a_change_is_seen_it_may_have_been_there() -> None:
    just_before = AT + minute(20) - SEEN_LATE / 2
    assert SETUPS.during(WEB, just_before, just_before) == [OLD, NEW]


def test_of_a_stranger_nothing_is_known() -> None:
    stranger = Sidecar(PAY.service, NodeName("west"))
    assert SETUPS.during(stranger, AT, AT + minute(60)) == []
    assert SETUPS.first(stranger) is None
    assert SETUPS.first(WEB) == AT


def test_a_build_in_place_of_another_is_a_rollout_and_a_first_one_is_none() -> None:
    (came,) = SETUPS.upgrades(AT)
    assert (came.value, came.started) == ("upgrade to Envoy 1.40.0", AT + minute(20) - SEEN_LATE)
    assert came.touches == {"sidecar": {str(WEB)}}
    assert SETUPS.upgrades(AT + minute(21)) == []


def test_what_is_not_known_is_no_fact() -> None:
    assert dict(facts_of(Setup("1.40.0"))) == {"Envoy": "1.40.0"}
    assert dict(facts_of(OLD)) == {"Envoy": "1.39.3", "agent": "0.9.1", "bundle": "b" * 12, "revision": "17"}
