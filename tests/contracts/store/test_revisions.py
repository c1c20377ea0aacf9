from __future__ import annotations

import asyncio

import pytest

from tests.contracts.store.records import NOW, code_of, opened
from trustplane.fault import Refused
from trustplane.store.store import Store

FILES = {"trustdomain.yaml": "name: acme.example\n", "services/shop/web/service.yaml": "naïve ☂ \x00\n"}


async def put(store: Store, digest: str, expected: int | None) -> int:
    revision = await store.put_revision(FILES, digest, "ann", NOW, expected_current=expected)
    return revision.number


async def test_a_new_database_has_no_revision(url: str) -> None:
    async with await opened(url) as store:
        assert await store.current_revision() is None
        assert await store.revisions(10) == ()
        assert await code_of(store.revision(1)) == "unknown-revision"


async def test_a_revision_comes_back_as_it_was_put(url: str) -> None:
    async with await opened(url) as store:
        put_in = await store.put_revision(FILES, "d1", "ann", NOW, expected_current=None)
        assert (put_in.number, put_in.files, put_in.applied_at) == (1, FILES, NOW)
        assert await store.current_revision() == put_in == await store.revision(1)


async def test_revisions_count_up_and_remember_what_they_restore(url: str) -> None:
    async with await opened(url) as store:
        assert await put(store, "d1", None) == 1
        assert await put(store, "d2", 1) == 2
        restored = await store.put_revision(FILES, "d1", "bob", NOW, 1, expected_current=2)
        assert (restored.number, restored.restored_from) == (3, 1)


async def test_the_list_is_newest_first_without_files_and_pages(url: str) -> None:
    async with await opened(url) as store:
        for number in range(5):
            await put(store, f"d{number}", number or None)
        assert [revision.number for revision in await store.revisions(2)] == [5, 4]
        assert [revision.number for revision in await store.revisions(9, before=4)] == [3, 2, 1]
        assert all(revision.files == {} for revision in await store.revisions(9))


async def test_applying_the_current_digest_again_changes_nothing(url: str) -> None:
    async with await opened(url) as store:
        first = await store.put_revision(FILES, "d1", "ann", NOW, expected_current=None)
        again = await store.put_revision({}, "d1", "bob", NOW, expected_current=1)
        assert again == first
        assert len(await store.revisions(9)) == 1


@pytest.mark.parametrize("expected", [None, 2])
async def test_a_change_planned_against_another_revision_is_refused(url: str, expected: int | None) -> None:
    async with await opened(url) as store:
        await put(store, "d1", None)
        assert await code_of(put(store, "d2", expected)) == "revision-moved"
        assert len(await store.revisions(9)) == 1


async def test_of_many_concurrent_changes_one_is_applied_whatever_the_replica(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        await put(one, "first", None)
        for current in range(1, 6):
            ends = await asyncio.gather(
                *(code_of(put(store, f"{current}-{n}", current)) for n, store in enumerate([one, other] * 5))
            )
            assert sorted(ends) == ["done"] + ["revision-moved"] * 9
        assert [revision.number for revision in await other.revisions(9)] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("number", [0, -1, 1 << 63, 1 << 200])
async def test_a_number_that_no_revision_has_is_refused(url: str, number: int) -> None:
    async with await opened(url) as store:
        with pytest.raises(Refused):
            await store.revision(number)
