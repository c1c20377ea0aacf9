"""What may happen to a database file, and what the caller hears."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.contracts.store.records import AGENT, NODE, NOW, bodies, code_of, opened
from tests.kit.children import run_python
from trustplane.fault import Broken, Refused, Unavailable
from trustplane.store import engines
from trustplane.store.store import Store

BIG = bytes(200_000)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """For this process a full disk: a write beyond fails, and nothing else does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_said_and_work_goes_on_when_there_is_room(sqlite_url: str) -> None:
    async with await opened(sqlite_url) as store:
        await store.append_audit([b"before"], NOW)
        with no_file_larger_than(300_000):
            ends = [await code_of(store.append_audit([BIG], NOW)) for _ in range(4)]
        assert set(ends) <= {"done", "store-full", "store-io-error"}
        assert ends[-1] != "done"
        await store.append_audit([b"after"], NOW)
        assert (await bodies(store))[-1] == b"after"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root; RLIMIT_FSIZE is tested above")
async def test_a_really_full_file_system(tmp_path: Path) -> None:
    with small_file_system(tmp_path):
        async with await opened(f"sqlite:///{tmp_path}/t.db") as store:
            await store.append_audit([b"before"], NOW)
            filler = tmp_path / "filler"
            await asyncio.to_thread(fill, filler)
            assert said(store) == ""
            assert await code_of(store.append_audit([BIG], NOW)) == "store-full"
            assert await bodies(store) == [b"before"]
            assert said(store) == "store-full"
            await asyncio.to_thread(filler.unlink)
            await store.append_audit([b"after"], NOW)
            assert said(store) == ""
            assert await bodies(store) == [b"before", b"after"]


def said(store: Store) -> str:
    return store.trouble.code if store.trouble else ""


@contextmanager
def small_file_system(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


async def test_a_locked_database_is_said_and_reads_go_on(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_MILLISECONDS", 50)
    async with await opened(sqlite_url) as store:
        await store.put_agent(AGENT)
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            ends = await asyncio.gather(*(code_of(store.append_audit([b"x"], NOW)) for _ in range(5)))
            assert ends == ["store-locked"] * 5
            assert await store.agent(NODE) == AGENT
            holder.execute("ROLLBACK")
        assert await code_of(store.append_audit([b"x"], NOW)) == "done"


async def test_a_damaged_file_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    content = b"this is not a database, whatever its name says" * 100
    await asyncio.to_thread(path.write_bytes, content)
    with pytest.raises(Broken) as broken:
        await opened(f"sqlite:///{path}")
    assert broken.value.code == "store-corrupt"
    assert await asyncio.to_thread(path.read_bytes) == content


async def test_damage_inside_a_file_is_said(sqlite_url: str) -> None:
    async with await opened(sqlite_url) as store:
        await store.append_audit([BIG] * 5, NOW)
    damage(Path(sqlite_url.removeprefix("sqlite:///")))
    with pytest.raises(Broken) as broken:
        await opened(sqlite_url)
    assert broken.value.code == "store-corrupt"


def damage(path: Path) -> None:
    """All pages but the first, which says how to read the others."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


_READ_ONLY = """
import asyncio, os, sys
from tests.contracts.store.records import code_of, opened
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(asyncio.run(code_of(opened(sys.argv[1]))))
"""


@pytest.mark.parametrize("exists", [False, True])
async def test_a_folder_that_cannot_be_written_is_said(socket_dir: Path, *, exists: bool) -> None:
    url = f"sqlite:///{socket_dir}/t.db"
    if exists:
        async with await opened(url):
            pass
    assert await asyncio.to_thread(opened_read_only, socket_dir, url) == "store-read-only\n"


def opened_read_only(folder: Path, url: str) -> str:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    try:
        return run_python(_READ_ONLY, url).stdout
    finally:
        folder.chmod(0o755)


async def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert await code_of(opened(f"sqlite:///{tmp_path}/no/t.db")) == "store-no-directory"


async def test_a_new_database_is_its_owners_alone(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    async with await opened(sqlite_url) as store:
        await store.append_audit([b"x"], NOW)
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "sqlite:///x.db?mode=ro",
        "mysql://root:hunter2@localhost/x",
        "postgresql+asyncpg://root:hunter2@localhost/x",
        "postgresql://root:hunter2@localhost:port/x",
    ],
)
async def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Refused) as refused:
        await opened(url)
    assert refused.value.code == "bad-database-url"
    assert "hunter2" not in str(refused.value)


async def test_a_closed_store_answers_so(url: str) -> None:
    store = await opened(url)
    written = asyncio.create_task(store.append_audit([b"x"], NOW))
    await asyncio.sleep(0)
    await store.close()
    assert await written == 0
    for asked in (store.append_audit([b"y"], NOW), store.agents()):
        with pytest.raises(Unavailable) as unavailable:
            await asked
        assert unavailable.value.code == "store-closed"
