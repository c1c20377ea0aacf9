"""Records that are answered with stand for all there were."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.handshakes import AT, CALLER, EXPIRED, UNKNOWN_ISSUER, MemoryFailures, hidden, refused
from tests.kit.policies import PAYMENTS
from trustplane.fault import Refused
from trustplane.flows.records import ask_failures
from trustplane.flows.records.ask_failures import AskFailures, Failed
from trustplane.handshake.failure import Side
from trustplane.handshake.groups import Group, grouped
from trustplane.registry.parcels import Losses
from trustplane.spiffe.names import NodeName

NODE, OTHER = NodeName("node-a"), NodeName("node-b")
HOUR = timedelta(hours=1)


def asked(store: MemoryFailures) -> Failed:
    clock = VirtualClock(AT + 2 * HOUR)
    return asyncio.run(AskFailures(store, clock).failed(AT - timedelta(minutes=1)))


def groups(found: Failed) -> list[Group]:
    return grouped(one.reported.failure for one in found.records)


def test_while_there_are_few_all_are_there_and_both_sides_are_joined() -> None:
    store = MemoryFailures()
    store.told(NODE, *(refused(port=port) for port in (1, 2, 3)), refused(port=9, text=UNKNOWN_ISSUER, times=5))
    store.told(OTHER, *(hidden(port=port) for port in (1, 2)))
    store.counts = {
        (NODE, PAYMENTS, Side.SERVER): 4,
        (OTHER, PAYMENTS, Side.SERVER): 3,
        (OTHER, CALLER, Side.CLIENT): 1,
    }
    store.lost = {NODE: Losses(), OTHER: Losses(dropped=2)}
    found = asked(store)
    assert (found.failures, found.left_out, found.is_whole) == (10, 0, True)
    assert found.completed == {(PAYMENTS, Side.SERVER): 7, (CALLER, Side.CLIENT): 1}
    assert found.losses == {OTHER: Losses(dropped=2)}
    counts = [(one.diagnosis.cause, one.diagnosis.pair.missing, one.count) for one in groups(found)]
    assert counts == [("unknown-issuer", Side.CLIENT, 5), ("leaf-expired", None, 2), ("leaf-expired", Side.CLIENT, 1)]


def test_beyond_that_the_newest_of_each_kind_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_failures, "MOST_JOINED", 30)
    monkeypatch.setattr(ask_failures, "MOST_OF_A_KIND", 4)
    store = MemoryFailures()
    for port in range(1, 101):
        at = AT + timedelta(seconds=port)
        store.told(NODE, refused(at, port))
        store.told(OTHER, hidden(at, port))
    store.told(NODE, refused(port=999, text=UNKNOWN_ISSUER))
    found = asked(store)
    assert (found.failures, found.left_out, found.is_whole) == (201, 0, False)
    assert len(found.records) == 9
    assert (found.since.minute, found.until.minute) == (0, 10)
    counts = [(one.diagnosis.cause, one.diagnosis.pair.missing, one.count) for one in groups(found)]
    assert counts == [("leaf-expired", None, 100), ("unknown-issuer", Side.CLIENT, 1)]


def test_kinds_beyond_those_that_are_looked_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_failures, "MOST_JOINED", 3)
    monkeypatch.setattr(ask_failures, "MOST_KINDS", 1)
    store = MemoryFailures()
    store.told(NODE, *(refused(port=port, text=EXPIRED) for port in range(1, 8)))
    store.told(NODE, refused(port=99, text=UNKNOWN_ISSUER, times=3))
    found = asked(store)
    assert (found.failures, found.left_out) == (10, 3)


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Refused, match="bad-query"):
        asyncio.run(AskFailures(MemoryFailures(), VirtualClock(AT)).failed(AT, AT - HOUR))
