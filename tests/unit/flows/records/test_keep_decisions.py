"""A node is believed about what it may run, at times that can be."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from tests.kit.clock import VirtualClock
from tests.kit.policies import CHECKOUT, PAYMENTS, policy_book
from tests.kit.verdicts import kind, tally
from trustplane.flows.records.keep_decisions import AHEAD, KEPT_FOR, KeepDecisions, believed
from trustplane.registry.model import DesiredState
from trustplane.registry.parcels import Losses, ParcelId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.delivery import Kept, Parcel
from trustplane.verdict.tally import Tallies

CHARGE = '@id("charge") permit (principal == Service::"shop/checkout", action == Action::"charge", resource);'
STATE = policy_book(CHARGE).state
NOW = VirtualClock().now()


def parcel(tallies: Tallies) -> Parcel:
    return Parcel(ParcelId(NodeName("node-a"), "a" * 32, 1), NOW, tallies)


class MemoryStore:
    def __init__(self) -> None:
        self.parcels: list[Parcel] = []

    async def put_decisions(self, parcel: Parcel, at: object) -> Kept:
        del at
        self.parcels.append(parcel)
        return Kept(parcel.id.number, tuple(parcel.tallies))

    async def prune_decisions(self, before: object) -> int:
        del before
        return 0


class Fixed:
    def declared(self) -> DesiredState:
        return STATE


def test_operations_are_named_as_they_are_declared() -> None:
    told = {kind(): tally(1, NOW), kind("GET", "/orders/1"): tally(2, NOW), kind("GET", "/x"): tally(3, NOW)}
    found = believed(STATE, parcel(told), NOW)
    assert {one.operation: each.count for one, each in found.tallies.items()} == {"charge": 1, "one": 2, None: 3}


def test_services_that_are_not_there_and_times_long_ago_are_not_counted() -> None:
    gone = DecisionKind(ServiceName("shop", "gone"), None, "GET", kind().path, 1, None, kind().enforced)
    told = {gone: tally(2, NOW), kind(): tally(3, NOW - KEPT_FOR - timedelta(seconds=1))}
    found = believed(STATE, parcel(told), NOW)
    assert (found.tallies, found.losses) == ({}, Losses(dropped=5))


def test_a_declared_caller_is_a_rule_with_a_name() -> None:
    told = {kind(rule=str(CHECKOUT)): tally(1, NOW), kind(rule="spiffe://partner.example/ns/x/"): tally(2, NOW)}
    found = believed(STATE, parcel(told), NOW)
    assert {one.enforced.rule for one in found.tallies} == {"declared.shop.checkout", "foreign.partner.example/ns/x/"}


def test_a_clock_that_is_ahead_writes_nothing_into_the_future() -> None:
    found = believed(STATE, parcel({kind(): tally(1, NOW + timedelta(days=9))}), NOW)
    assert [one.last for one in found.tallies.values()] == [NOW + AHEAD]


def test_a_new_denial_is_logged_with_the_permit_that_comes_nearest() -> None:
    store = MemoryStore()
    denied = kind("GET", "/charge", allowed=False)
    with capture_logs() as logged:
        asked = parcel({denied: tally(1, NOW), kind(rule="charge"): tally(1, NOW)})
        assert asyncio.run(KeepDecisions(store, Fixed(), VirtualClock()).keep(asked)) == 1
    assert [one["would_allow"] for one in logged] == ["charge, if the method were POST"]
    assert logged[0]["rule"] == "default"
    assert logged[0]["service"] == str(PAYMENTS)
