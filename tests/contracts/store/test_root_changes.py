from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store.records import CERTIFICATE, HOUR, NOW, code_of, opened
from tests.kit.issuing_ports import MemoryAuthority
from trustplane.fault import Refused
from trustplane.issuance.record import Purpose
from trustplane.rotation.root_change import Order, Participant, Phase, RootChange, Waiver, begun
from trustplane.store.store import Store
from trustplane.trust.authority import AuthorityId, AuthorityState

PREPARED, ACTIVE = AuthorityState.PREPARED, AuthorityState.ACTIVE
DRAINING, RETIRED = AuthorityState.DRAINING, AuthorityState.RETIRED
OLD, NEW = MemoryAuthority.at(NOW), MemoryAuthority.at(NOW)
BEGUN = begun(1, OLD.root.id, Order("ann", "yearly rotation"), NOW)
WAIVERS = tuple(
    Waiver(Participant(f"agent node-{name}"), "burnt down", "team-shop", "ann", NOW, NOW + HOUR) for name in "ab"
)
FULL = replace(
    BEGUN,
    coming=NEW.root.id,
    phase=Phase.DRAIN,
    is_emergency=True,
    is_paused=True,
    is_going_back=True,
    replaced_at=NOW + HOUR,
    last_leaf=NOW + 2 * HOUR,
    remade_from=NOW + 2 * HOUR,
    remade_again=NOW + 3 * HOUR,
    waivers=WAIVERS,
)


async def test_a_change_comes_back_as_it_was_saved(url: str) -> None:
    async with await opened(url) as store:
        assert await store.root_changes(10) == ()
        saved = await store.save_root_change(BEGUN)
        assert saved == replace(BEGUN, version=1)
        full = await store.save_root_change(replace(FULL, version=1))
        assert await store.root_changes(10) == (full,) == (replace(FULL, version=2),)
        less = await store.save_root_change(replace(full, waivers=WAIVERS[:1]))
        assert (await store.root_changes(10))[0].waivers == less.waivers == WAIVERS[:1]


async def test_only_the_newest_version_is_written(url: str) -> None:
    async with await opened(url) as store:
        first = await store.save_root_change(BEGUN)
        paused = await store.save_root_change(replace(first, is_paused=True))
        assert await code_of(store.save_root_change(replace(first, phase=Phase.PUBLISH))) == "rotation-moved"
        assert await store.root_changes(10) == (paused,)


async def test_one_change_at_a_time_and_the_newest_first(url: str) -> None:
    async with await opened(url) as store:
        first = await store.save_root_change(BEGUN)
        assert await code_of(store.save_root_change(replace(BEGUN, number=2))) == "rotation-under-way"
        await store.save_root_change(replace(first, phase=Phase.DONE))
        assert await code_of(store.save_root_change(BEGUN)) == "rotation-under-way"
        await store.save_root_change(replace(BEGUN, number=2))
        assert [one.number for one in await store.root_changes(10)] == [2, 1]
        assert [one.number for one in await store.root_changes(1)] == [2]


async def test_of_two_replicas_that_begin_at_once_one_begins(url: str) -> None:
    async with await opened(url) as store, await opened(url) as replica:
        told = await asyncio.gather(
            store.save_root_change(BEGUN), replica.save_root_change(BEGUN), return_exceptions=True
        )
        assert {type(one) for one in told} == {RootChange, Refused}
        assert len(await store.root_changes(10)) == 1


async def with_both_roots(store: Store) -> RootChange:
    for one, state in ((OLD, ACTIVE), (NEW, PREPARED)):
        await store.put_authority(replace(one.root, state=state), b"sealed")
        await store.put_authority(replace(one.issuing, state=state), b"sealed")
    return await store.save_root_change(replace(BEGUN, coming=NEW.root.id))


async def states(store: Store) -> dict[AuthorityId, AuthorityState]:
    return {one.id: one.state for one in await store.authorities()}


async def test_all_authorities_switch_at_once_and_back(url: str) -> None:
    async with await opened(url) as store:
        change = await with_both_roots(store)
        assert await store.switch_root(change, NOW + HOUR)
        switched = {OLD.root.id: DRAINING, OLD.issuing.id: DRAINING, NEW.root.id: ACTIVE, NEW.issuing.id: ACTIVE}
        assert await states(store) == switched
        assert {one.state_since for one in await store.authorities()} == {NOW + HOUR}
        assert not await store.switch_root(change, NOW + HOUR), "it is done already"
        back = await store.save_root_change(replace(change, leaving=NEW.root.id, coming=OLD.root.id))
        again = MemoryAuthority.at(NOW)
        await store.put_authority(replace(again.issuing, parent=OLD.root.id, state=PREPARED), b"sealed")
        assert await store.switch_root(back, NOW + HOUR)
        assert await states(store) == {
            OLD.root.id: ACTIVE,
            OLD.issuing.id: DRAINING,
            NEW.root.id: DRAINING,
            NEW.issuing.id: DRAINING,
            again.issuing.id: ACTIVE,
        }


async def test_a_root_retires_with_all_below_it_but_never_while_it_signs(url: str) -> None:
    async with await opened(url) as store:
        change = await with_both_roots(store)
        assert not await store.retire_root(change, NOW)
        await store.switch_root(change, NOW)
        assert await store.retire_root(change, NOW)
        left = {OLD.root.id: RETIRED, OLD.issuing.id: RETIRED, NEW.root.id: ACTIVE, NEW.issuing.id: ACTIVE}
        assert await states(store) == left
        assert not await store.retire_root(change, NOW), "it is done already"


async def test_who_acts_on_an_older_version_does_nothing(url: str) -> None:
    async with await opened(url) as store:
        change = await with_both_roots(store)
        before = await states(store)
        await store.save_root_change(replace(change, is_paused=True))
        assert not await store.switch_root(change, NOW)
        assert not await store.retire_root(replace(change, leaving=NEW.root.id, coming=OLD.root.id), NOW)
        assert await states(store) == before


async def test_the_last_end_of_each_authoritys_certificates_is_known(url: str) -> None:
    other = AuthorityId("cd" * 32)
    ends = NOW + HOUR + timedelta(microseconds=1)
    issued = [
        CERTIFICATE,
        replace(CERTIFICATE, serial=2, not_after=ends, purpose=Purpose.NODE),
        replace(CERTIFICATE, serial=3, not_after=ends + HOUR, purpose=Purpose.PROBE),
        replace(CERTIFICATE, serial=4, not_after=NOW, authority=other),
    ]
    async with await opened(url) as store:
        assert await store.last_leaf_ends() == {}
        await store.record_issuance(issued, [b"x"], NOW)
        assert await store.last_leaf_ends() == {CERTIFICATE.authority: ends}


async def test_a_probe_is_nobodys_newest_certificate(url: str) -> None:
    probe = replace(CERTIFICATE, serial=2, purpose=Purpose.PROBE, issued_at=NOW + HOUR / 2)
    async with await opened(url) as store:
        await store.record_issuance([CERTIFICATE, probe], [b"x"], NOW)
        assert await store.newest_certificates() == (CERTIFICATE,)
        assert await store.count_certificates_expiring_before(NOW + 2 * HOUR) == 1


@pytest.mark.parametrize("phase", Phase)
async def test_every_phase_is_kept(url: str, phase: Phase) -> None:
    async with await opened(url) as store:
        await store.save_root_change(replace(BEGUN, phase=phase))
        assert (await store.root_changes(1))[0].phase is phase
