"""Failed handshakes: each kept once and whole, counted by the hour, bounded whatever nodes tell."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.store.records import HOUR, NODE, OTHER_NODE, opened
from tests.kit.handshakes import AT, CALLER, EXPIRED, UNKNOWN_ISSUER, hidden, refused
from tests.kit.policies import PAYMENTS
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.failure import Claims, Side
from trustplane.handshake.reported import Reported
from trustplane.handshake.setup import Became, Setup, StoredSetup
from trustplane.handshake.stored import Counted, Stored, stored
from trustplane.registry.parcels import Losses, ParcelId, Received
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store import handshakes, setups
from trustplane.store.store import Store

STREAM = "a" * 32
LATER = AT + timedelta(minutes=5)
FROM, TO = AT - HOUR, AT + 10 * HOUR


def parcel(number: int, node: NodeName = NODE, **told: Any) -> HandshakeParcel:  # noqa: ANN401 - a parcel's fields
    return HandshakeParcel(ParcelId(node, STREAM, number), AT, **told)


async def put(store: Store, number: int, *reported: Reported, node: NodeName = NODE, **told: Any) -> int:  # noqa: ANN401 - a parcel's fields
    sent = parcel(number, node, failures=reported, **told)
    return (await store.put_handshakes(sent, [stored(node, one) for one in reported], LATER)).number


async def test_a_record_comes_back_whole_and_once(url: str) -> None:
    async with await opened(url) as store:
        told = refused(), hidden()
        assert [await put(store, 1, *told) for _ in range(3)] == [1, 1, 1]
        assert await store.put_handshakes(parcel(1), [], LATER) == Received(1, is_new=False)
        assert await store.put_handshakes(parcel(3), [], LATER) == Received(3, is_new=True)
        assert await put(store, 2, refused(port=1)) == 3
        found = await store.failures(FROM, TO, 10)
        assert sorted(found, key=lambda one: one.kind.side.value) == [stored(NODE, hidden()), stored(NODE, refused())]
        assert await store.failures(LATER, AT + HOUR, 10) == ()
        assert [await store.failure_records(FROM, TO, most) for most in (10, 2, 1)] == [2, 2, 1]


async def test_two_servers_that_are_sent_the_same_parcel_keep_it_once(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        assert set(await asyncio.gather(*(put(store, 1, refused()) for store in (one, other) * 3))) == {1}
        assert len(await one.failures(FROM, TO, 10)) == 1


async def test_kinds_are_counted_by_the_hour_with_all_their_parts(url: str) -> None:
    async with await opened(url) as store:
        await put(store, 1, refused(), refused(LATER, 2, times=3), refused(AT + 2 * HOUR, 3))
        await put(store, 1, refused(), node=OTHER_NODE)
        kind = stored(NODE, refused()).kind
        elsewhere = stored(OTHER_NODE, refused()).kind
        assert (kind.cause, kind.rejecter, kind.build, kind.revision) == ("leaf-expired", Side.SERVER, "1.38.3", 18)
        found = await store.failure_kinds(FROM, TO, 10)
        assert found == ((kind, Counted(5, AT, AT + 2 * HOUR)), (elsewhere, Counted(1, AT, AT)))
        assert await store.failure_kinds(LATER, AT + HOUR, 1) == ((kind, Counted(4, AT, LATER)),)
        assert await store.failures_counted(LATER, AT + HOUR) == 5
        begins = AT.replace(minute=0, second=0, microsecond=0)
        by_hour = {begins: 5, begins + 2 * HOUR: 1}
        assert await store.failures_by_hour(FROM, TO) == by_hour
        assert await store.failures_by_hour(begins + HOUR, begins + 2 * HOUR) == {}
        newest = await store.failures_of([kind.id], FROM, TO, 2)
        assert [one.reported.failure.peer for one in newest[kind.id]] == ["10.0.0.1:3", "10.0.0.1:2"]


async def test_the_other_side_of_a_connection_is_found(url: str) -> None:
    async with await opened(url) as store:
        await put(store, 1, *(refused(port=port) for port in range(1, 20)), hidden(port=7), hidden(local=""))
        (client,) = (one for one in await store.failures(FROM, TO, 50) if one.reported.failure.local.endswith(":7"))
        beside = await store.failures_beside([client], FROM, TO, 10)
        assert sorted(one.kind.side.value for one in beside) == ["client", "server"]
        assert len(await store.failures_beside([client], FROM, TO, 1)) == 1
        nowhere = stored(NODE, hidden(local=""))
        assert await store.failures_beside([nowhere], FROM, TO, 10) == ()


async def test_beyond_what_is_kept_whole_failures_are_counted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "MOST_WHOLE", 3)
    async with await opened(url) as store:
        await put(store, 1, *(refused(port=port) for port in range(1, 11)), refused(text=UNKNOWN_ISSUER, times=4))
        await put(store, 2, refused(port=11, times=5), refused(text=UNKNOWN_ISSUER))
        found = await store.failures(FROM, TO, 50)
        assert len(found) == 4
        counts = {one.cause: counted.count for one, counted in await store.failure_kinds(FROM, TO, 50)}
        assert counts == {"leaf-expired": 15, "unknown-issuer": 5}
        assert _by_cause(found) == counts
        assert await store.handshake_losses(AT) == {NODE: Losses(folded=13)}


async def test_peers_that_are_made_up_are_counted_as_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "MOST_KINDS", 5)
    monkeypatch.setattr(handshakes, "MOST_WITHOUT_PEERS", 1)
    async with await opened(url) as store:
        forged = [Claims(f"spiffe://evil.example/{number}") for number in range(30)]
        await put(store, 1, *(refused(port=place, theirs=one) for place, one in enumerate(forged, start=1)))
        await put(store, 2, refused(text=UNKNOWN_ISSUER, times=9))
        found = await store.failure_kinds(FROM, TO, 50)
        assert next((one.peer, counted.count) for one, counted in found) == ("", 25)
        assert len(found) == 6
        assert await store.handshake_losses(AT) == {NODE: Losses(dropped=9)}


async def test_completed_handshakes_add_up_by_the_hour(url: str) -> None:
    async with await opened(url) as store:
        told = {(PAYMENTS, Side.SERVER): 5, (CALLER, Side.CLIENT): 2}
        await put(store, 1, completed=told)
        await put(store, 2, completed={(PAYMENTS, Side.SERVER): 7})
        await put(store, 2, completed={(PAYMENTS, Side.SERVER): 7})
        found = await store.handshakes_completed(AT, AT + HOUR)
        assert found == {(NODE, PAYMENTS, Side.SERVER): 12, (NODE, CALLER, Side.CLIENT): 2}
        assert await store.handshakes_completed(AT + HOUR, AT + 2 * HOUR) == {}


async def test_old_records_go_before_the_hours_that_count_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await opened(url) as store:
        await put(store, 1, *(refused(AT + number * HOUR, number + 1) for number in range(6)))
        assert await store.prune_handshakes(AT + HOUR, AT - HOUR) == 1
        assert await store.prune_handshakes(AT + HOUR, AT - HOUR) == 0
        monkeypatch.setattr(handshakes, "MOST_RECORDS", 3)
        monkeypatch.setattr(handshakes, "PRUNED_AT_ONCE", 1)
        assert [await store.prune_handshakes(AT, AT - HOUR) for _ in range(3)] == [1, 1, 0]
        assert len(await store.failures(FROM, TO, 50)) == 3
        assert await store.failures_counted(FROM, TO) == 6
        await store.prune_handshakes(AT, AT + 2 * HOUR)
        assert await store.failures_counted(FROM, TO) == 4


def became(minutes: int, setup: Setup, service: ServiceName = PAYMENTS) -> Became:
    return Became(service, AT + timedelta(minutes=minutes), setup)


async def test_what_a_sidecar_was_is_kept_once_for_each_change(url: str) -> None:
    old, new = Setup("1.39.3", "0.9", "b" * 64, 17), Setup("1.40.0", "0.9", "b" * 64, 18)
    async with await opened(url) as store:
        await store.put_hosting(NODE, frozenset({PAYMENTS, CALLER}), AT)
        await put(store, 1, setups=(became(0, old), became(0, old, CALLER)))
        await put(store, 2, setups=(became(1, old), became(5, new), became(6, new), became(3, old)))
        before = became(0, old, CALLER), became(0, old), became(5, new)
        found = await store.sidecar_setups(AT - HOUR, AT + HOUR, 10)
        assert sorted(found, key=str) == sorted((StoredSetup(NODE, one) for one in before), key=str)
        inside = await store.sidecar_setups(AT + timedelta(minutes=1), AT + HOUR, 10)
        assert sorted(inside, key=str) == sorted(found, key=str), "what it was when the time began is told too"
        assert [one.became for one in await store.sidecar_setups(AT, AT + HOUR, 1)] == [became(5, new)]
        late = await store.sidecar_setups(AT + HOUR, AT + 2 * HOUR, 10)
        assert {one.became for one in late} == {became(5, new), became(0, old, CALLER)}


async def test_of_what_a_sidecar_was_the_last_is_kept_while_it_is_there(url: str) -> None:
    one, other, third = Setup("1"), Setup("2"), Setup("3")
    async with await opened(url) as store:
        await store.put_hosting(NODE, frozenset({PAYMENTS}), AT)
        await put(store, 1, setups=(became(0, one), became(1, other), became(70, third), became(0, one, CALLER)))
        await store.prune_handshakes(AT + HOUR, AT - HOUR)
        found = await store.sidecar_setups(AT - HOUR, AT + 2 * HOUR, 10)
        assert [each.became for each in found] == [became(1, other), became(70, third)]


async def test_a_node_that_never_stops_changing_keeps_its_newest(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setups, "MOST_OF_A_NODE", 3)
    async with await opened(url) as store:
        await put(store, 1, setups=tuple(became(minute, Setup(str(minute))) for minute in range(9)))
        await put(store, 1, setups=(became(0, Setup("x")),), node=OTHER_NODE)
        found = await store.sidecar_setups(AT - HOUR, AT + HOUR, 10)
        assert [each.became.setup.envoy for each in found if each.node == NODE] == ["6", "7", "8"]
        assert len(found) == 4


HOSTILE = "\x00\x1b[31m\x7f\u202e'; DROP TABLE\n" * 200


async def test_what_a_peer_wrote_breaks_nothing(url: str) -> None:
    async with await opened(url) as store:
        claims = Claims(f"spiffe://acme.example/{HOSTILE}", HOSTILE, HOSTILE, None, HOSTILE)
        worst = refused(
            text=EXPIRED + HOSTILE, flags=HOSTILE, details=HOSTILE, peer=HOSTILE, theirs=claims, ours=claims
        )
        assert await put(store, 1, worst) == 1
        (found,) = await store.failures(FROM, TO, 10)
        assert found.reported == worst
        ((kind, counted),) = await store.failure_kinds(FROM, TO, 10)
        assert (kind.cause, kind.peer, kind.issuer, counted.count) == ("leaf-expired", "", "", 1)


def _by_cause(found: Any) -> dict[str, int]:  # noqa: ANN401 - records
    counts: dict[str, int] = {}
    one: Stored
    for one in found:
        counts[one.kind.cause] = counts.get(one.kind.cause, 0) + one.reported.failure.times
    return counts
