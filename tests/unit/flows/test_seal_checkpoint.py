"""Checkpoints follow the log, and stop when the log was changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import NOON, MemoryRecords
from trustplane.audit.checkpoint import NoteKey, open_note
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.fault import Broken
from trustplane.flows.seal_checkpoint import INTERVAL, PAGE, SealCheckpoint

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey("acme.example/audit", SECRET.public_key().public_bytes_raw())


def a_sealer(records: MemoryRecords) -> SealCheckpoint:
    return SealCheckpoint(records, KEY, SECRET.sign)


def bodies(count: int) -> list[bytes]:
    return [f"event {number}".encode() for number in range(count)]


def test_a_checkpoint_is_signed_when_the_log_has_grown_and_only_then() -> None:
    records = MemoryRecords(bodies=bodies(3))
    sealer = a_sealer(records)
    assert asyncio.run(sealer.seal()) is not None
    assert asyncio.run(sealer.seal()) is None
    records.bodies += bodies(2)
    asyncio.run(sealer.seal())
    found = [open_note(note, [KEY]) for note in records.checkpoints]
    assert [(each.size, each.root) for each in found] == [
        (size, Frontier().extend(map(leaf_hash, records.bodies[:size])).root) for size in (3, 5)
    ]


def test_an_empty_log_has_no_checkpoint() -> None:
    records = MemoryRecords()
    assert asyncio.run(a_sealer(records).seal()) is None
    assert records.checkpoints == []


def test_a_restart_continues_over_many_pages() -> None:
    records = MemoryRecords(bodies=bodies(PAGE + 7))
    asyncio.run(a_sealer(records).seal())
    records.bodies += bodies(PAGE + 1)
    checkpoint = asyncio.run(a_sealer(records).seal())
    assert checkpoint is not None
    assert checkpoint.size == 2 * PAGE + 8


def test_another_replicas_checkpoint_is_built_upon() -> None:
    records = MemoryRecords(bodies=bodies(3))
    mine, theirs = a_sealer(records), a_sealer(records)
    asyncio.run(mine.seal())
    records.bodies += bodies(2)
    asyncio.run(theirs.seal())
    assert asyncio.run(mine.seal()) is None


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("change", ["edit", "truncate", "rewrite-and-grow"])
def test_a_log_that_was_changed_gets_no_signature(change: str, restarted: bool) -> None:  # noqa: FBT001 - the parameter
    records = MemoryRecords(bodies=bodies(5))
    sealer = a_sealer(records)
    asyncio.run(sealer.seal())
    match change:
        case "edit":
            records.bodies[2] = b"another"
        case "truncate":
            del records.bodies[4:]
        case _:
            records.bodies[2] = b"another"
            records.bodies += bodies(3)
    with pytest.raises(Broken, match="audit-log-forked"):
        asyncio.run((a_sealer(records) if restarted else sealer).seal())
    assert len(records.checkpoints) == 1


def test_a_store_that_leaves_entries_out_gets_no_signature() -> None:
    class Gappy(MemoryRecords):
        async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]:
            return [each for each in await super().audit_entries(start, limit) if each.index != 2]

    with pytest.raises(Broken, match="audit-log-forked"):
        asyncio.run(a_sealer(Gappy(bodies=bodies(5))).seal())


def test_left_running_it_signs_now_and_then_and_survives_a_store_that_is_away() -> None:
    async def play() -> None:
        records, clock = MemoryRecords(bodies=bodies(1)), VirtualClock(NOON)
        running = asyncio.create_task(a_sealer(records).run(clock))
        await clock.advance(INTERVAL)
        records.bodies += bodies(1)
        records.down = True
        await clock.advance(INTERVAL * 2)
        records.down = False
        await clock.advance(INTERVAL)
        assert [open_note(note, [KEY]).size for note in records.checkpoints] == [1, 2]
        records.bodies[0] = b"edited"
        records.bodies += bodies(1)
        await clock.advance(INTERVAL * 2)
        assert len(records.checkpoints) == 2
        assert not running.done()
        running.cancel()

    asyncio.run(play())
