"""Failed handshakes wait on the disk while no server answers; none is counted nowhere, however little room there is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.server_away import Node, Outcome
from trustplane.host import small_disk, spool

ROOT = Path(__file__).parents[3]
MINUTES = 10


def test_ten_minutes_without_a_server_lose_nothing(tmp_path: Path) -> None:
    async def play() -> Outcome:
        node = Node(tmp_path)
        await node.go_on(timedelta(minutes=MINUTES))
        return await node.server_is_back()

    found = asyncio.run(play())
    assert (found.told, found.kept, found.dropped) == (2500, 2500, 0)
    assert found.records == found.told
    assert found.most_bytes < spool.MOST_BYTES / 10
    assert list(tmp_path.iterdir()) == []


def test_on_a_disk_that_is_full_the_oldest_leave_and_are_told_of(tmp_path: Path) -> None:
    """A real one, of 640 KiB; in the second half of the time another file takes all that is left of it."""
    words = (sys.executable, "-I", small_disk.__file__, str(tmp_path), str(640 * 1024))
    program = (sys.executable, "-m", "tests.kit.server_away", str(tmp_path), str(MINUTES))
    done = subprocess.run([*words, *program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = Outcome(**json.loads(done.stdout.splitlines()[-1]))
    assert found.told == 2500
    assert found.kept + found.dropped == found.told
    assert found.dropped > 0
    assert found.newest == f"10.0.0.1:{found.told}"


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"\x0a\x00"])
def test_a_file_that_is_torn_tells_nothing_and_costs_nothing(tmp_path: Path, content: bytes) -> None:
    async def play() -> Outcome:
        (tmp_path / f"{0:013d}-{'b' * 32}-{1:012d}.parcel").write_bytes(content)
        node = Node(tmp_path)
        await node.go_on(timedelta(seconds=6))
        return await node.server_is_back()

    assert asyncio.run(play()).kept == 25
