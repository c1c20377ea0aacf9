"""A node is believed about what it may run, at times that can be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.handshakes import EXPIRED, PLAINTEXT, UNKNOWN_ISSUER, refused
from tests.kit.policies import PAYMENTS, policy_book
from trustplane.flows.records import keep_handshakes
from trustplane.flows.records.keep_handshakes import AHEAD, RECORDS_KEPT_FOR, HandshakeCounts, KeepHandshakes, believed
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.failure import Side
from trustplane.handshake.setup import Became, Setup
from trustplane.handshake.stored import Stored, stored
from trustplane.registry.model import DesiredState
from trustplane.registry.parcels import Losses, ParcelId, Received
from trustplane.spiffe.names import NodeName, ServiceName

STATE = policy_book(
    '@id("charge") permit (principal == Service::"shop/checkout", action == Action::"charge", resource);'
).state
CLOCK = VirtualClock()
NOW = CLOCK.now()
GONE = ServiceName("shop", "gone")


def parcel(*times: datetime, service: ServiceName = PAYMENTS) -> HandshakeParcel:
    failures = tuple(replace(refused(at, times=2), service=service) for at in times)
    completed = {(service, Side.SERVER): 3}
    return HandshakeParcel(ParcelId(NodeName("node-a"), "a" * 32, 1), NOW, failures, completed)


def test_services_that_are_not_there_and_times_long_ago_are_counted_as_lost() -> None:
    assert believed(STATE, parcel(NOW, service=GONE), NOW).losses == Losses(dropped=2)
    assert believed(STATE, parcel(NOW, service=GONE), NOW).completed == {}
    found = believed(STATE, parcel(NOW, NOW - RECORDS_KEPT_FOR - timedelta(seconds=1)), NOW)
    assert (len(found.failures), found.losses) == (1, Losses(dropped=2))


def test_a_service_that_is_pinned_elsewhere_is_not_believed() -> None:
    service = replace(STATE.services[PAYMENTS], nodes=frozenset({NodeName("node-b")}))
    state = replace(STATE, services={**STATE.services, PAYMENTS: service})
    assert believed(state, parcel(NOW), NOW).losses == Losses(dropped=2)


def test_a_clock_that_is_ahead_is_not_followed() -> None:
    (found,) = believed(STATE, parcel(NOW + timedelta(days=400)), NOW).failures
    assert found.at == NOW + AHEAD


def test_what_sidecars_became_is_believed_of_services_that_are_there_and_not_ahead_of_time() -> None:
    told = [Became(name, NOW + timedelta(days=1), Setup("1.40.0")) for name in (PAYMENTS, GONE)]
    old = Became(PAYMENTS, NOW - RECORDS_KEPT_FOR - timedelta(seconds=1), Setup("1.39.3"))
    found = believed(STATE, replace(parcel(), setups=(*told, old)), NOW)
    assert found.setups == (Became(PAYMENTS, NOW, Setup("1.40.0")),)


class MemoryStore:
    def __init__(self) -> None:
        self.put: list[Stored] = []
        self.old = [5, 3, 0]

    async def put_handshakes(self, parcel: HandshakeParcel, failures: Sequence[Stored], at: datetime) -> Received:
        assert at == NOW
        self.put += failures
        return Received(parcel.id.number, is_new=len(self.put) == len(failures))

    async def prune_handshakes(self, records_before: datetime, hours_before: datetime) -> int:
        assert hours_before < records_before
        return self.old.pop(0)


class Fixed:
    def declared(self) -> DesiredState:
        return STATE


def test_failures_are_recognised_when_they_are_kept_and_old_ones_go_in_portions() -> None:
    async def play() -> None:
        store = MemoryStore()
        keeping = KeepHandshakes(store, Fixed(), CLOCK)
        assert await keeping.keep(parcel(NOW)) == 1
        assert [(one.kind.signature, one.kind.cause) for one in store.put] == [("envoy-leaf-expired", "leaf-expired")]
        assert await keeping.keep(parcel(NOW)) == 1  # a second time
        assert keeping.counts.failures == {("envoy-leaf-expired", "leaf-expired", "server"): 2}
        assert keeping.counts.completed == {"client": 0, "server": 3}
        running = asyncio.create_task(keeping.run())
        await CLOCK.advance(timedelta(seconds=1))
        running.cancel()
        assert store.old == []

    asyncio.run(play())


def test_labels_are_bounded_whatever_peers_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_handshakes, "MOST_LABELS", 2)
    counts = HandshakeCounts()
    texts = ("never seen", "nor this", EXPIRED, UNKNOWN_ISSUER, PLAINTEXT)
    counts.add([stored(NodeName("node-a"), refused(text=text)) for text in texts], {})
    assert counts.failures == {
        ("unknown", "unknown", "server"): 2,
        ("envoy-leaf-expired", "leaf-expired", "server"): 1,
        ("other", "other", "server"): 2,
    }
