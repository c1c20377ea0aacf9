from __future__ import annotations

import asyncio

from tests.contracts.store.records import NOW, bodies, opened


async def test_an_empty_log_has_no_entries_and_no_subtrees(url: str) -> None:
    async with await opened(url) as store:
        assert await store.audit_head() == (0, ())
        assert await bodies(store) == []


async def test_entries_follow_each_other_and_answer_with_their_index(url: str) -> None:
    async with await opened(url) as store:
        assert await store.append_audit([b"a", b"b"], NOW) == 0
        assert await store.append_audit([], NOW) == 2
        assert await store.append_audit([b"c"], NOW) == 2
        assert [(entry.index, entry.body) for entry in await store.audit_entries(1, 1)] == [(1, b"b")]
        assert await store.audit_entries(3, 5) == []
        assert await bodies(store) == [b"a", b"b", b"c"]


async def test_two_replicas_append_to_one_chain_and_each_learns_where(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        said = [(store, b"%d-%d" % (name, n)) for name, store in enumerate((one, other)) for n in range(100)]
        indexes = await asyncio.gather(*(store.append_audit([body], NOW) for store, body in said))
        log = await bodies(one)
        assert [log[index] for index in indexes] == [body for _, body in said]
        assert len(log) == len(said)


async def test_the_log_goes_on_after_the_store_was_closed(url: str) -> None:
    async with await opened(url) as store:
        await store.append_audit([b"a", b"b", b"c"], NOW)
    async with await opened(url) as store:
        assert await store.append_audit([b"d"], NOW) == 3
        assert await bodies(store) == [b"a", b"b", b"c", b"d"]


async def test_checkpoints_come_newest_first_and_each_once(url: str) -> None:
    async with await opened(url) as store:
        assert await store.latest_checkpoint() is None
        for note, size in (("ten", 10), ("twelve", 12), ("eleven", 11), ("twelve", 12)):
            await store.put_checkpoint(note, size)
        assert await store.latest_checkpoint() == "twelve"
        assert await store.checkpoints(5) == ["twelve", "eleven", "ten"]
