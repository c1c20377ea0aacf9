"""A server that is killed while it writes: what it answered is there, and the audit log is whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.contracts.store.records import bodies, opened

_WRITE_UNTIL_KILLED = """
import asyncio, sys
from dataclasses import replace
from tests.contracts.store.records import CERTIFICATE, NOW, opened

async def issue(store, number):
    await store.record_issuance([replace(CERTIFICATE, serial=number)], [b"%d" % number], NOW)
    print(number, flush=True)

async def main():
    async with await opened(sys.argv[1]) as store:
        number = int(sys.argv[2])
        while True:
            await asyncio.gather(*(issue(store, number + n) for n in range(20)))
            number += 20

asyncio.run(main())
"""


@pytest.mark.parametrize("answers", [1, 25, 170])
async def test_what_was_answered_survives_a_kill_and_the_log_is_whole(url: str, answers: int) -> None:
    answered = [number for start in (1, 100_001) for number in killed_after(answers, url, start)]
    async with await opened(url) as store:
        log = await bodies(store)
        assert set(log) >= {b"%d" % number for number in answered}
        assert len(log) == len(set(log))
        for body in log:
            assert await store.certificate(int(body)) is not None


def killed_after(answers: int, url: str, start: int) -> list[int]:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE_UNTIL_KILLED, url, str(start)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        seen = [int(child.stdout.readline()) for _ in range(answers)]
        child.kill()
        return seen + [int(line) for line in child.stdout if line.endswith("\n")]
