"""What the issuing flows rely on of a store: the one in memory that their tests use, and the real one on SQLite.

PostgreSQL runs the whole suite of the store; these cases hold the fake to the same answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import (
    ACME,
    NODE,
    NOON,
    WEB,
    MemoryAuthority,
    MemoryRecords,
    RightsTable,
    authority_keys,
    leaf_key,
    profile,
)
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.fault import Refused
from trustplane.flows import seal_checkpoint
from trustplane.flows.issuing import keep_authorities
from trustplane.flows.issuing.issue import IssuanceLog, Issued, IssueX509, Request
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Store
from trustplane.trust.authority import AuthorityState
from trustplane.trust.lifecycle import Lifetimes

PAIR = MemoryAuthority.at(NOON)


class Records(keep_authorities.Records, seal_checkpoint.Records, IssuanceLog, Protocol):
    """All that the issuing flows ask of a store."""


Opened = Callable[[Path], AbstractAsyncContextManager[Records]]


@asynccontextmanager
async def memory(directory: Path) -> AsyncIterator[Records]:
    del directory
    yield MemoryRecords()


@asynccontextmanager
async def sqlite(directory: Path) -> AsyncIterator[Records]:
    store = await Store.open(f"sqlite:///{directory / 'records.db'}", VirtualClock(NOON))
    try:
        yield store
    finally:
        await store.close()


KEEPERS = pytest.mark.parametrize("opened", [memory, sqlite])


def play(opened: Opened, directory: Path, story: Callable[[Records], Awaitable[None]]) -> None:
    async def told() -> None:
        async with opened(directory) as records:
            await story(records)

    asyncio.run(told())


def a_certificate(serial: int) -> IssuedCertificate:
    return IssuedCertificate(
        serial=serial,
        spiffe_id=WEB,
        purpose=Purpose.WORKLOAD,
        node=NODE,
        profile="default@1",
        authority=PAIR.issuing.id,
        not_before=NOON,
        not_after=NOON + timedelta(hours=1),
        renew_at=NOON + timedelta(minutes=30),
        issued_at=NOON,
        leaf=b"leaf",
    )


@KEEPERS
def test_a_serial_is_taken_once_and_a_refused_batch_leaves_nothing(opened: Opened, tmp_path: Path) -> None:
    async def story(records: Records) -> None:
        await records.record_issuance([a_certificate(1 << 126)], [b"first"], NOON)
        batch = [a_certificate((1 << 126) + 1), a_certificate(1 << 126)]
        with pytest.raises(Refused) as refused:
            await records.record_issuance(batch, [b"second"], NOON)
        assert refused.value.code == "serial-taken"
        assert [entry.body for entry in await records.audit_entries(0, 10)] == [b"first"]
        await records.record_issuance([a_certificate((1 << 126) + 1)], [b"third"], NOON)

    play(opened, tmp_path, story)


@KEEPERS
def test_entries_keep_their_order_their_hashes_and_their_head(opened: Opened, tmp_path: Path) -> None:
    async def story(records: Records) -> None:
        assert await records.audit_head() == (0, ())
        bodies = [f"event {number}".encode() for number in range(7)]
        for body in bodies:
            await records.append_audit([body], NOON)
        tree = Frontier().extend(map(leaf_hash, bodies))
        assert await records.audit_head() == (tree.size, tree.hashes)
        found = await records.audit_entries(2, 3)
        assert [(each.index, each.body, each.leaf_hash) for each in found] == [
            (place, bodies[place], leaf_hash(bodies[place])) for place in (2, 3, 4)
        ]

    play(opened, tmp_path, story)


@KEEPERS
def test_an_authority_moves_once_from_each_state(opened: Opened, tmp_path: Path) -> None:
    async def story(records: Records) -> None:
        await records.put_authority(PAIR.root, b"sealed root")
        await records.put_authority(PAIR.issuing, b"sealed")
        assert {each.id: each for each in await records.authorities()} == {
            PAIR.root.id: PAIR.root,
            PAIR.issuing.id: PAIR.issuing,
        }
        assert await records.sealed_key(PAIR.issuing.id) == b"sealed"
        move = (PAIR.issuing.id, AuthorityState.ACTIVE, AuthorityState.DRAINING, NOON)
        assert await records.move_authority(*move)
        assert not await records.move_authority(*move)
        drained = replace(PAIR.issuing, state=AuthorityState.DRAINING)
        assert drained in await records.authorities()

    play(opened, tmp_path, story)


@KEEPERS
def test_a_lease_is_held_by_one_until_it_ends(opened: Opened, tmp_path: Path) -> None:
    async def story(records: Records) -> None:
        ends = NOON + timedelta(seconds=30)
        assert await records.take_lease("make-root", "server-1", ends, NOON)
        assert not await records.take_lease("make-root", "server-2", ends, NOON)
        assert await records.take_lease("make-root", "server-1", ends, NOON)
        assert await records.take_lease("make-root", "server-2", ends + timedelta(seconds=30), ends)

    play(opened, tmp_path, story)


@KEEPERS
def test_from_nothing_to_a_recorded_svid(opened: Opened, tmp_path: Path) -> None:
    async def story(records: Records) -> None:
        instance = Instance(ACME, NodeName("server-1"))
        keep = KeepAuthorities(records, authority_keys(), instance, Lifetimes(), VirtualClock(NOON))
        await keep.start()
        issue = IssueX509(records, keep.x509_signer, RightsTable.of(WEB), profile())
        answers = await issue.issue(NODE, [Request(str(WEB), leaf_key().csr())] * 20, NOON)
        assert len({answer.serial for answer in answers if isinstance(answer, Issued)}) == 20

    play(opened, tmp_path, story)
