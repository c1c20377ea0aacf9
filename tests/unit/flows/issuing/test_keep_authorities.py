"""Authorities that keep themselves: at first start, over years, beside replicas, and killed at every write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import ACME, NOON, KilledError, MemoryRecords, authority_keys
from trustplane.fault import Unavailable
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import AuthorityKind, AuthorityState
from trustplane.trust.lifecycle import Lifetimes

LIFETIMES = Lifetimes(issuing=timedelta(days=3), jwt=timedelta(days=3))


def a_server(records: MemoryRecords, clock: VirtualClock, name: str = "server-1") -> KeepAuthorities:
    return KeepAuthorities(records, authority_keys(), Instance(ACME, NodeName(name)), LIFETIMES, clock)


def count(records: MemoryRecords, kind: AuthorityKind, *states: AuthorityState) -> int:
    return sum(each.kind is kind and each.state in states for each in records.known.values())


def test_a_first_start_can_sign_and_publishes_what_is_needed_to_verify() -> None:
    records = MemoryRecords()
    keep = a_server(records, VirtualClock(NOON))
    with pytest.raises(Unavailable, match="no-active-authority"):
        keep.x509_signer()
    with pytest.raises(Unavailable, match="no-active-authority"):
        keep.bundle()
    asyncio.run(keep.start())
    assert keep.x509_signer().authority.kind is AuthorityKind.ISSUING
    assert keep.jwt_signer().authority.kind is AuthorityKind.JWT
    assert (len(keep.bundle().x509_authorities), len(keep.bundle().jwt_authorities)) == (1, 1)


def test_a_restart_signs_with_the_same_authority() -> None:
    records, clock = MemoryRecords(), VirtualClock(NOON)
    first, again = a_server(records, clock), a_server(records, clock)
    asyncio.run(first.start())
    asyncio.run(again.start())
    assert again.x509_signer().authority == first.x509_signer().authority
    assert again.bundle() == first.bundle()


def test_every_key_has_an_intent_before_it_is_stored_and_an_outcome_after() -> None:
    records = MemoryRecords()
    asyncio.run(a_server(records, VirtualClock(NOON)).start())
    said = [json.loads(body) for body in records.bodies]
    for authority in records.known:
        steps = [(each["event"], each["step"]) for each in said if each["authority"] == authority.hex]
        assert steps[:2] == [("authority-intent", "made"), ("authority-outcome", "made")]


def test_two_replicas_at_first_start_make_one_root() -> None:
    async def play() -> None:
        records, clock = MemoryRecords(), VirtualClock(NOON)
        servers = [a_server(records, clock, f"server-{number}") for number in range(3)]
        async with asyncio.TaskGroup() as group:
            for server in servers:
                group.create_task(server.start())
            await clock.advance(timedelta(seconds=5))
        assert count(records, AuthorityKind.ROOT, *AuthorityState) == 1
        assert len({server.x509_signer().authority.id for server in servers}) == 3
        assert {server.x509_signer().authority.parent for server in servers} == {
            next(each.id for each in records.known.values() if each.kind is AuthorityKind.ROOT)
        }

    asyncio.run(play())


def test_a_replica_waits_for_the_one_that_is_making_the_root_and_takes_over_when_it_died() -> None:
    async def play() -> None:
        records, clock = MemoryRecords(dies_at_write=2), VirtualClock(NOON)
        with pytest.raises(KilledError):  # with the lease in its hand
            await a_server(records, clock).start()
        other = a_server(records, clock, "server-2")
        async with asyncio.TaskGroup() as group:
            group.create_task(other.start())
            await clock.advance(timedelta(seconds=29))
            assert records.known == {}
            await clock.advance(timedelta(seconds=2))
        assert count(records, AuthorityKind.ROOT, *AuthorityState) == 1

    asyncio.run(play())


@pytest.mark.parametrize("write", range(1, 20))
def test_killed_at_any_write_of_a_first_start_it_continues(write: int) -> None:
    async def play() -> None:
        records, clock = MemoryRecords(dies_at_write=write), VirtualClock(NOON)
        try:
            await a_server(records, clock).start()
        except KilledError:
            records.dies_at_write = None
        keep = a_server(records, clock)
        await keep.start()
        assert keep.x509_signer().authority.state is AuthorityState.ACTIVE
        assert keep.jwt_signer().authority.state is AuthorityState.ACTIVE
        assert count(records, AuthorityKind.ROOT, *AuthorityState) == 1
        assert count(records, AuthorityKind.ISSUING, AuthorityState.ACTIVE) == 1
        assert count(records, AuthorityKind.JWT, AuthorityState.ACTIVE) == 1

    asyncio.run(play())


@pytest.mark.parametrize("write", range(1, 24))
def test_killed_at_any_write_of_a_succession_it_continues(write: int) -> None:
    async def play() -> None:
        records, clock = MemoryRecords(), VirtualClock(NOON)
        await a_server(records, clock).start()
        keep = a_server(records, clock)
        records.dies_at_write = records.writes + write
        for _ in range(12):
            await clock.advance(timedelta(hours=6))
            try:
                await keep.settle()
            except KilledError:
                keep = a_server(records, clock)
                await keep.settle()
            authority = keep.x509_signer().authority
            assert authority.not_before <= clock.now() < authority.not_after
            assert count(records, AuthorityKind.ISSUING, AuthorityState.ACTIVE) == 1
            assert count(records, AuthorityKind.JWT, AuthorityState.ACTIVE) == 1

    asyncio.run(play())


def test_over_weeks_it_looks_after_itself_and_every_change_is_published() -> None:
    async def play() -> None:
        records, clock = MemoryRecords(), VirtualClock(NOON)
        keep = a_server(records, clock)
        await keep.start()
        seen: list[int] = []
        running = asyncio.create_task(keep.run())
        for _ in range(60):
            await clock.advance(timedelta(hours=12))
            signer = keep.x509_signer()
            assert signer.authority.not_after - clock.now() > timedelta(hours=12)
            sequence = keep.bundle().sequence
            assert sequence is not None
            seen.append(sequence)
        running.cancel()
        assert seen == sorted(seen)
        assert len(set(seen)) > 10
        assert count(records, AuthorityKind.ROOT, AuthorityState.ACTIVE) == 1
        assert count(records, AuthorityKind.ISSUING, AuthorityState.RETIRED) > 8
        living = count(records, AuthorityKind.ISSUING, *set(AuthorityState) - {AuthorityState.RETIRED})
        assert living <= 3

    asyncio.run(play())


def test_a_store_that_is_away_for_a_while_stops_nothing() -> None:
    async def play() -> None:
        records, clock = MemoryRecords(), VirtualClock(NOON)
        keep = a_server(records, clock)
        await keep.start()
        running = asyncio.create_task(keep.run())
        await clock.advance(timedelta(days=1))
        records.down = True
        await clock.advance(timedelta(hours=20))  # past the half of the life: something is due
        assert keep.x509_signer().authority.not_after > clock.now()
        records.down = False
        await clock.advance(timedelta(minutes=5))
        assert count(records, AuthorityKind.ISSUING, AuthorityState.PREPARED) == 1
        assert not running.done()
        running.cancel()

    asyncio.run(play())


def test_nothing_is_published_when_nothing_changed() -> None:
    async def play() -> None:
        keep = a_server(MemoryRecords(), VirtualClock(NOON))
        await keep.start()
        before = keep.standing.value
        await keep.settle()
        assert keep.standing.value is before

    asyncio.run(play())


class OnADisk(MemoryRecords):
    is_full = False

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        if self.is_full:
            raise Unavailable(code="store-full", what="full", why="full", fix="make room")
        return await super().append_audit(bodies, at)


def test_what_keeps_it_from_looking_after_them_is_told_until_it_does() -> None:
    records, clock = OnADisk(), VirtualClock(NOON)
    keep = a_server(records, clock)

    async def play() -> None:
        await keep.start()
        running = asyncio.ensure_future(keep.run())
        records.is_full = True
        await clock.advance(LIFETIMES.issuing / 2 + timedelta(minutes=2))
        assert [one.code for one in keep.findings()] == ["store-full"]
        records.is_full = False
        await clock.advance(timedelta(minutes=2))
        assert keep.findings() == ()
        running.cancel()

    asyncio.run(play())
