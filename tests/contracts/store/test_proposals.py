from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store.records import NOW, bodies, opened
from tests.kit.proposals import ADA, GRACE, JUDGED, MemoryProposals, proposal
from trustplane.fault import Refused
from trustplane.people.person import Person
from trustplane.people.proposal import (
    KEPT,
    LIFETIME,
    MOST_OPEN,
    MOST_OPEN_OF_ONE,
    Approved,
    CarriedOut,
    Event,
    Phase,
    Proposal,
    feed,
    glass_broken,
)
from trustplane.store.store import Store


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def where(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    found: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return found


@asynccontextmanager
async def kept(where: str) -> AsyncIterator[MemoryProposals | Store]:
    if not where:
        yield MemoryProposals()
        return
    async with await opened(where) as store:
        yield store


async def log_of(store: MemoryProposals | Store) -> list[bytes]:
    return store.bodies if isinstance(store, MemoryProposals) else list(await bodies(store))


def note(one: Proposal) -> bytes:
    return f"{one.number} {one.digest}".encode()


def moved(one: Proposal, event: Event) -> Proposal:
    return replace(feed(one, event, NOW)[0], version=one.version + 1)


async def test_a_proposal_is_numbered_and_kept_with_its_note(where: str) -> None:
    async with kept(where) as store:
        first = await store.add_proposal(proposal(at=NOW), note, NOW)
        second = await store.add_proposal(replace(proposal(at=NOW), by=Person("console:oidc:eve", "x 1")), note, NOW)
        assert (first.number, second.number) == (1, 2)
        assert first.digest != second.digest
        assert await store.proposal(1) == first
        assert await store.proposal(2) == second
        assert first.is_whole
        assert await store.proposal(3) is None
        assert list(await store.open_proposals()) == [first, second]
        assert list(await store.newest_proposals(1)) == [second]
        assert await log_of(store) == [note(first), note(second)]


async def test_of_two_who_decide_at_once_one_is_late_and_leaves_no_word(where: str) -> None:
    async with kept(where) as store:
        one = await store.add_proposal(proposal(at=NOW), note, NOW)
        approved = moved(one, Approved(GRACE, "seen", "server-1"))
        assert await store.move_proposal(approved, [b"grace"], NOW)
        assert not await store.move_proposal(moved(one, Approved(Person("console:eve"), "", "s")), [b"eve"], NOW)
        assert await store.proposal(1) == approved
        done = moved(approved, CarriedOut("done"))
        assert await store.move_proposal(done, [b"done"], NOW)
        assert not await store.move_proposal(done, [b"again"], NOW)
        assert list(await store.open_proposals()) == []
        assert await store.proposal(1) == done
        assert (await log_of(store))[1:] == [b"grace", b"done"]


async def test_those_who_wait_are_few_but_the_glass_can_be_broken(where: str) -> None:
    async with kept(where) as store:
        for _ in range(MOST_OPEN_OF_ONE):
            await store.add_proposal(proposal(at=NOW), note, NOW)
        with pytest.raises(Refused, match="too-many-proposals"):
            await store.add_proposal(proposal(at=NOW), note, NOW)
        for number in range(MOST_OPEN_OF_ONE, MOST_OPEN):
            await store.add_proposal(proposal(by=Person(f"console:p{number}"), at=NOW), note, NOW)
        with pytest.raises(Refused, match="too-many-proposals"):
            await store.add_proposal(proposal(by=Person("console:last"), at=NOW), note, NOW)
        assert len(await log_of(store)) == MOST_OPEN
        broken = glass_broken(proposal().act, JUDGED, ADA, "fire", NOW, "server-1")
        assert (await store.add_proposal(broken, note, NOW)).phase is Phase.APPROVED
        later = NOW + LIFETIME
        assert (await store.add_proposal(proposal(at=later), note, later)).number == MOST_OPEN + 2


async def test_replicas_that_add_at_once_number_each_of_them(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        adding = [store.add_proposal(proposal(at=NOW), note, NOW) for _ in range(4) for store in (one, other)]
        numbered = await asyncio.gather(*adding)
        assert sorted(each.number for each in numbered) == list(range(1, 9))
        approvals = [
            store.move_proposal(moved(numbered[0], Approved(GRACE, "", "s")), [], NOW) for store in (one, other)
        ]
        assert sorted(await asyncio.gather(*approvals)) == [False, True]


async def test_what_is_over_is_forgotten_after_a_while_and_what_is_open_never(where: str) -> None:
    async with kept(where) as store:
        first = await store.add_proposal(proposal(at=NOW), note, NOW)
        open_one = await store.add_proposal(proposal(at=NOW), note, NOW)
        await store.move_proposal(replace(first, phase=Phase.EXPIRED, version=2), [], NOW)
        later = NOW
        for _ in range(KEPT):
            later += timedelta(hours=12)  # so that few wait
            await store.add_proposal(proposal(at=later), note, later)
        assert await store.proposal(1) is None
        assert await store.proposal(2) == open_one
