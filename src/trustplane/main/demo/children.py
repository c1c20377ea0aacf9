"""The demo's and rehearsals' processes: each dies with them, however they die, and its last words are kept.

A child starts through `host.launch_envoy`, which ties its life to ours in the kernel before it becomes the program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trustplane.fault import Unavailable
from trustplane.host import launch_envoy

STOPPED_WITHIN_SECONDS = 5.0
LAST_WORDS_BYTES = 2000
INTERPRETERS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `user` is a uid that is also used as gid; none: our own."""

    name: str
    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    user: int | None = None


class Children:
    """Started in order, stopped in reverse."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[tuple[str, asyncio.subprocess.Process]] = []

    async def start(self, program: Program) -> asyncio.subprocess.Process:
        with (self._logs / f"{program.name}.log").open("wb") as log:
            process = await start(program, log.fileno())
        self._running.append((program.name, process))
        return process

    def dead(self) -> Unavailable | None:
        """The first that ended although it should run."""
        for name, process in self._running:
            if process.returncode is not None:
                return Unavailable(
                    code="demo-part-ended",
                    what=f"{name} ended with code {process.returncode}",
                    why=self.last_words(name),
                    fix="run it again; when it happens again, report the last words above",
                )
        return None

    def last_words(self, name: str) -> str:
        content = (self._logs / f"{name}.log").read_bytes()[-LAST_WORDS_BYTES:]
        return content.decode(errors="replace").strip() or "it said nothing"

    async def end(self, process: asyncio.subprocess.Process) -> None:
        """This one is not needed any more, so it is not missed."""
        self._running = [(name, one) for name, one in self._running if one is not process]
        await _end(process)

    async def stop(self) -> None:
        for _, process in reversed(self._running):
            await _end(process)
        self._running.clear()


async def start(program: Program, output: int) -> asyncio.subprocess.Process:
    user = "-" if program.user is None else str(program.user)
    binary = os.open(program.arguments[0], os.O_RDONLY)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", launch_envoy.__file__, str(os.getpid()), str(binary), user, user),
            *program.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(binary,),
            cwd=program.directory,
            env=dict(program.environment),
            start_new_session=True,  # Ctrl-C is for the demo, which then stops its children in order
        )
    finally:
        os.close(binary)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOPPED_WITHIN_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def interpreter_for(user: int | None) -> str | None:
    """A Python that this user can run: ours may lie in a home directory that is closed to others."""
    for candidate in dict.fromkeys(filter(os.path.exists, INTERPRETERS)):
        check = Program("check", (candidate, "-c", "import http.server, json"), Path("/"), {}, user)
        process = await start(check, asyncio.subprocess.DEVNULL)
        if await process.wait() == 0:
            return candidate
    return None
