"""What proxies decided: taken once, merged by the hour, bounded whatever nodes tell."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.store.records import HOUR, NODE, NOW, OTHER_NODE, opened
from tests.kit.policies import PAYMENTS
from tests.kit.verdicts import kind
from trustplane.policy.access import Verdict
from trustplane.registry.parcels import Losses, ParcelId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store import decisions, parcel_streams
from trustplane.verdict.decision import DecisionKind, Trial
from trustplane.verdict.delivery import Kept, Parcel
from trustplane.verdict.tally import Sample, Tally

STREAM, OTHER_STREAM = "a" * 32, "b" * 32
CHARGED, REFUSED = kind(rule="charge"), kind("GET", allowed=False)
LATER = NOW + timedelta(minutes=5)
EVERYTHING: dict[str, Any] = {"callee": None, "candidate": None, "limit": 10_000}


def parcel(number: int, node: NodeName = NODE, stream: str = STREAM, **told: Any) -> Parcel:  # noqa: ANN401 - a parcel's fields
    return Parcel(ParcelId(node, stream, number), NOW, **told)


def counted(count: int = 1, at: object = NOW, sample: str | None = None) -> Tally:
    assert isinstance(at, type(NOW))
    return Tally(count, at, at, Sample(at, sample) if sample else None)


async def test_a_parcel_is_taken_once_however_often_it_comes(url: str) -> None:
    async with await opened(url) as store:
        first = parcel(1, tallies={CHARGED: counted(3)}, losses=Losses(2, 1))
        assert await store.put_decisions(first, NOW) == Kept(1, (CHARGED,))
        assert await store.put_decisions(first, LATER) == Kept(1)
        await store.put_decisions(parcel(3, tallies={CHARGED: counted(4)}), LATER)
        assert await store.put_decisions(parcel(2, tallies={CHARGED: counted(9)}), LATER) == Kept(3)
        assert [(one, tally.count) for one, tally in await store.decisions(NOW, **EVERYTHING)] == [(CHARGED, 7)]
        assert await store.decision_losses(NOW) == {NODE: Losses(2, 1)}


async def test_two_servers_that_are_sent_the_same_parcel_count_it_once(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        sent = [store.put_decisions(parcel(1, tallies={CHARGED: counted(5)}), NOW) for store in (one, other) * 3]
        assert {kept.number for kept in await asyncio.gather(*sent)} == {1}
        assert [tally.count for _, tally in await one.decisions(NOW, **EVERYTHING)] == [5]


async def test_nodes_and_streams_count_apart_and_add_up(url: str) -> None:
    async with await opened(url) as store:
        for node, stream in ((NODE, STREAM), (NODE, OTHER_STREAM), (OTHER_NODE, STREAM)):
            await store.put_decisions(parcel(1, node, stream, tallies={CHARGED: counted(2)}), NOW)
        assert [tally.count for _, tally in await store.decisions(NOW, **EVERYTHING)] == [6]


async def test_hours_are_merged_with_first_and_last_and_the_newest_sample(url: str) -> None:
    async with await opened(url) as store:
        later = NOW + 3 * HOUR
        told = {CHARGED: counted(1, later, "new"), REFUSED: counted(1, later)}
        await store.put_decisions(parcel(1, tallies=told), NOW)
        await store.put_decisions(parcel(2, tallies={CHARGED: counted(1, NOW, "old")}), NOW)
        found = dict(await store.decisions(NOW, **EVERYTHING))
        assert found[CHARGED] == Tally(2, NOW, later, Sample(later, "new"))
        assert dict(await store.decisions(later, **EVERYTHING))[CHARGED].count == 1


async def test_every_part_of_a_kind_comes_back(url: str) -> None:
    async with await opened(url) as store:
        trial = Trial("7-0badcafe", Verdict(allowed=True, rule="new"))
        strange = DecisionKind(
            PAYMENTS, None, "*", kind(path="/a;b").path.below("/a"), 0, "read", REFUSED.enforced, trial
        )
        told = {strange: counted(1), CHARGED: counted(2)}
        await store.put_decisions(parcel(1, tallies=told), NOW)
        assert await store.decisions(NOW, None, "7-0badcafe", 10) == ((strange, counted(1)),)
        untried = strange.without_trial()
        assert dict(await store.decisions(NOW, PAYMENTS, None, 10)) == {untried: counted(1), CHARGED: counted(2)}
        assert await store.decisions(NOW, ServiceName("shop", "other"), None, 10) == ()
        assert [one for one, _ in await store.decisions(NOW, PAYMENTS, None, 1)] == [CHARGED]


async def test_a_service_has_so_many_kinds_in_an_hour(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "MOST_KINDS", 3)
    monkeypatch.setattr(decisions, "MOST_WITHOUT_PATHS", 1)
    async with await opened(url) as store:
        paths = {kind(path=f"/{number}"): counted(1) for number in range(6)}
        await store.put_decisions(parcel(1, tallies=paths), NOW)
        await store.put_decisions(parcel(2, tallies={REFUSED: counted(4)}), NOW)
        found = await store.decisions(NOW, **EVERYTHING)
        assert next((str(one.path), tally.count) for one, tally in found) == ("…", 3)
        assert len(found) == 4
        assert await store.decision_losses(NOW) == {NODE: Losses(dropped=4)}


async def test_old_hours_are_let_go_and_the_oldest_when_there_are_too_many(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await opened(url) as store:
        hours = [NOW + number * HOUR for number in range(4)]
        for number, at in enumerate(hours, start=1):
            await store.put_decisions(parcel(number, tallies={CHARGED: counted(1, at)}), at)
        assert await store.prune_decisions(hours[1]) == 1
        monkeypatch.setattr(decisions, "MOST_ROWS", 1)
        assert await store.prune_decisions(hours[1]) == 2
        assert [tally.first for _, tally in await store.decisions(NOW, **EVERYTHING)] == [hours[3]]


async def test_a_node_has_so_many_streams(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel_streams, "STREAMS", 2)
    async with await opened(url) as store:
        for number in range(4):
            at = NOW + timedelta(seconds=number)
            await store.put_decisions(parcel(1, NODE, f"{number:032x}", losses=Losses(dropped=1)), at)
        assert await store.decision_losses(NOW) == {NODE: Losses(dropped=2)}
