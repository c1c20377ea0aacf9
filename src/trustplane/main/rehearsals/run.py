"""Rehearsals put together: which there are, what they are played against, and where.

Everything is in one folder that is gone afterwards, and so is every process, also after Ctrl-C.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from trustplane.fault import Refused
from trustplane.flows.desired.admit_policies import admitted_at
from trustplane.flows.rehearsal import Audience, Check, Outcome, Rehearsal, Rehearse
from trustplane.host.clock import SystemClock
from trustplane.host.envoy import find_envoy
from trustplane.host.repository_files import read_directory
from trustplane.main.demo.directory import run_directory
from trustplane.main.demo.shop import find_shop
from trustplane.main.rehearsals.certificates import CERTIFICATE_ROWS, Drawn
from trustplane.main.rehearsals.pair import Candidate, Pair, pair
from trustplane.main.rehearsals.processes import PROCESS_ROWS, DrawnProcess, Site
from trustplane.registry.model import DesiredState

PREFIX = "trustplane-rehearsal-"
MESHES_AT_ONCE = 3
LIMIT = timedelta(minutes=7)  # windows that close late make for leaves of minutes
REMIND_AFTER = timedelta(seconds=15)
Answer = TypeVar("Answer")
NAMES = tuple(one.name for one in (*CERTIFICATE_ROWS, *PROCESS_ROWS))


@dataclass(frozen=True, slots=True)
class Options:
    """`names` of none are all. `trust` of none is the shipped example's repository."""

    names: tuple[str, ...] = ()
    trust: Path | None = None
    profile: str | None = None
    envoy: Path | None = None

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in NAMES:
                near = get_close_matches(name, NAMES, 1)
                raise Refused(
                    code="unknown-rehearsal",
                    what=f"there is no rehearsal named {name!r:.100}",
                    why=f"the nearest is {near[0]}" if near else "none has a name like it",
                    fix="trustplane rehearse --list",
                )

    def wants(self, name: str) -> bool:
        return not self.names or name in self.names


def listed(options: Options) -> tuple[Drawn | DrawnProcess, ...]:
    return tuple(one for one in (*CERTIFICATE_ROWS, *PROCESS_ROWS) if options.wants(one.name))


def state_on_trial(options: Options) -> DesiredState:
    """Refused, with every finding, if `plan` would refuse it."""
    if options.trust is None:
        return find_shop(None).state
    return admitted_at(read_directory(options.trust), SystemClock().now())


def candidate(options: Options, state: DesiredState) -> Candidate:
    name = options.profile or state.default_profile
    if name not in state.profiles:
        raise Refused(
            code="unknown-profile",
            what=f"the trust repository has no profile {name!r:.100}",
            why=f"it has {', '.join(sorted(state.profiles))}",
            fix=f"trustplane rehearse --profile {min(state.profiles)}",
        )
    return Candidate(state.trust_domain, state.profiles[name])


def run(options: Options, on_trial: Candidate, onlookers: Onlookers) -> tuple[Outcome, ...]:
    """Outcomes in the order of the list. Raises KeyboardInterrupt when it was told to stop; then all is gone, too."""
    return asyncio.run(_run(options, on_trial, onlookers))


async def _run(options: Options, on_trial: Candidate, onlookers: Onlookers) -> tuple[Outcome, ...]:
    with run_directory(Path(tempfile.gettempdir()), PREFIX) as directory:
        return await until_stopped(_play(options, on_trial, onlookers, directory))


async def until_stopped(play: Coroutine[object, object, Answer]) -> Answer:
    """To its end, or to KeyboardInterrupt once it has tidied up, when this process is told to stop."""
    playing = asyncio.create_task(play)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class Onlookers(Audience, Protocol):
    """`still` is heard from time to time, of what takes long."""

    def still(self, names: Sequence[str]) -> None: ...


class _Reminding:
    """Passes on what is heard, and when nothing was for a while, what is still being played."""

    def __init__(self, onlookers: Onlookers) -> None:
        self._onlookers = onlookers
        self._playing: list[str] = []
        self._heard = asyncio.Event()

    def begins(self, rehearsal: Rehearsal) -> None:
        self._playing.append(rehearsal.name)
        self._heard.set()
        self._onlookers.begins(rehearsal)

    def ended(self, outcome: Outcome) -> None:
        self._playing.remove(outcome.name)
        self._heard.set()
        self._onlookers.ended(outcome)

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REMIND_AFTER.total_seconds()):
                    await self._heard.wait()
            except TimeoutError:
                self._onlookers.still(tuple(self._playing))
            self._heard.clear()


async def _play(options: Options, on_trial: Candidate, onlookers: Onlookers, directory: Path) -> tuple[Outcome, ...]:
    clock = SystemClock()
    site = Site(directory, find_envoy(options.envoy), on_trial)
    async with contextlib.AsyncExitStack() as stack:
        stage = _Stage(site, clock)
        stack.push_async_callback(stage.clear)
        certificates = (_certificates(one, stage) for one in CERTIFICATE_ROWS if options.wants(one.name))
        processes = _processes(options, site)
        lanes: Sequence[Iterator[Rehearsal]] = [certificates, *([processes] * MESHES_AT_ONCE)]
        reminding = _Reminding(onlookers)
        reminder = asyncio.create_task(reminding.run())
        try:
            outcomes = await Rehearse(reminding, clock.elapsed, LIMIT).run(lanes)
        finally:
            reminder.cancel()
    return tuple(sorted(outcomes, key=lambda one: NAMES.index(one.name)))


def _certificates(row: Drawn, stage: _Stage) -> Rehearsal:
    return Rehearsal(row.name, row.fault, row.must, partial(stage.play, row))


def _processes(options: Options, site: Site) -> Iterator[Rehearsal]:
    for row in PROCESS_ROWS:
        if options.wants(row.name):
            yield Rehearsal(row.name, row.fault, row.must, partial(row.play, site))


class _Stage:
    """The two Envoys that rehearsals of certificates share. After one that failed there are two new ones."""

    def __init__(self, site: Site, clock: SystemClock) -> None:
        self._site = site
        self._clock = clock
        self._pair: Pair | None = None
        self._stack = contextlib.AsyncExitStack()
        self._built = 0

    async def play(self, row: Drawn) -> Sequence[Check]:
        try:
            checks = await row.play(await self._up(), self._clock.now())
        except BaseException:
            await self.clear()
            raise
        if not all(one.holds for one in checks):
            await self.clear()
        return checks

    async def clear(self) -> None:
        self._pair = None
        await self._stack.aclose()

    async def _up(self) -> Pair:
        if self._pair is None:
            self._built += 1
            folder = self._site.folder / f"pair-{self._built}"
            folder.mkdir()
            cache, at = self._site.folder / "descriptors", self._clock.now()
            made = pair(folder, self._site.envoy, cache, self._site.candidate, at)
            self._pair = await self._stack.enter_async_context(made)
        return self._pair
