"""A change of root rehearsed on a throw-away copy: real processes of a few of the repository's services, under calls.

Server, two agents and a sidecar for each service are started by their commands, and the root is changed as an operator
would. What is recorded: how long each phase took, who was waited for to the last, and each call that failed meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from trustplane.flows.rehearsal import Check
from trustplane.host.clock import SystemClock
from trustplane.host.envoy import find_envoy
from trustplane.main.demo.directory import free_loopback, run_directory
from trustplane.main.rehearsals.mesh import UP_WITHIN, Mesh, Shape, until
from trustplane.main.rehearsals.pair import Candidate
from trustplane.main.rehearsals.places import ENROLMENT_PORT, SERVER_PORT, Place, Places
from trustplane.main.rehearsals.root_sample import Edge, Sample
from trustplane.main.rehearsals.run import PREFIX, until_stopped
from trustplane.main.rehearsals.traffic import OK, Calls, ask, callee, calling
from trustplane.wire.http_rotation_shapes import (
    BundleStatusShape,
    RotationRequest,
    RotationShape,
    RotationStatusShape,
    WaitingShape,
)

LOOK_EVERY_SECONDS = 0.2
GRACE, LIVES = timedelta(minutes=2), 10  # it is given that many lives of a leaf, and that long besides
Tell = Callable[[str], None]
OVER = frozenset({"done", "aborted"})


@dataclass(frozen=True, slots=True)
class Options:
    sample: Sample
    lifetime: timedelta
    envoy: Path | None = None

    @property
    def limit(self) -> timedelta:
        return GRACE + LIVES * self.lifetime


@dataclass(slots=True)
class PhaseSeen:
    """`stragglers`: of each participant it waited for, how long it was seen to wait, and for what."""

    phase: str
    began: timedelta
    took: timedelta = timedelta(0)
    good: int = 0
    wrong: int = 0
    stragglers: dict[str, tuple[timedelta, str]] = field(default_factory=dict)

    @property
    def last(self) -> tuple[str, timedelta, str] | None:
        found = [(waited, name, what) for name, (waited, what) in self.stragglers.items()]
        waited, name, what = max(found, default=(timedelta(0), "", ""))
        return (name, waited, what) if name else None


@dataclass(frozen=True, slots=True)
class RootRehearsed:
    phases: tuple[PhaseSeen, ...]
    calls: tuple[tuple[Edge, Calls], ...]
    waiting: tuple[WaitingShape, ...]  # for whom, if it did not come to its end
    checks: tuple[Check, ...]
    took: timedelta

    @property
    def has_passed(self) -> bool:
        return all(one.holds for one in self.checks)


def run(options: Options, tell: Tell) -> RootRehearsed:
    """Raises KeyboardInterrupt when it was told to stop; then all is gone."""
    return asyncio.run(_run(options, tell))


async def _run(options: Options, tell: Tell) -> RootRehearsed:
    with run_directory(Path(tempfile.gettempdir()), PREFIX) as directory:
        return await until_stopped(_rehearse(options, tell, directory))


async def _rehearse(options: Options, tell: Tell, folder: Path) -> RootRehearsed:
    clock = SystemClock()
    began = clock.elapsed()
    async with _mesh(options, folder) as up, contextlib.AsyncExitStack() as stack:
        names = ", ".join(str(one.name) for one in options.sample.services)
        tell(f"a server, two agents and the sidecars of {names} are up after {_seconds(clock.elapsed() - began)}")
        calls = [
            (edge, await stack.enter_async_context(calling(_place(up, options.sample, edge), edge.listen)))
            for edge in options.sample.edges
        ]
        request = RotationRequest(reason="a rehearsal")
        await up.server_door.post("/v1/rotations", RotationShape, request)
        following = _Following(up, calls, clock, tell)
        status = await following.until_over(options.limit)
        checks = [_is_done(status), *(_none_failed(edge, each) for edge, each in calls)]
        if checks[0].holds:
            checks.append(await _all_agree(up))
        took = following.phases[-1].began + following.phases[-1].took - following.phases[0].began
        waiting = () if checks[0].holds else status.waiting
        return RootRehearsed(tuple(following.phases), tuple(calls), waiting, tuple(checks), took)


def _place(up: Mesh, sample: Sample, edge: Edge) -> Place:
    return up.places.nodes[sample.node(edge.caller)]


@contextlib.asynccontextmanager
async def _mesh(options: Options, folder: Path) -> AsyncIterator[Mesh]:
    """Up, and every call of the sample is answered."""
    sample = options.sample
    places = _places(sample)
    candidate = Candidate(sample.state.trust_domain, sample.state.profiles[sample.state.default_profile])
    shape = Shape(options.lifetime, are_nodes_short_lived=True)
    made = Mesh(folder, find_envoy(options.envoy), candidate, places, shape)
    async with contextlib.AsyncExitStack() as stack:
        for one in sample.services:
            await stack.enter_async_context(callee(places.nodes[sample.node(one.name)], sample.app(one.name)))
        try:
            await made.start_server()
            executables = {one.name: made.executable(str(one.name)) for one in sample.services}
            await made.apply_files(sample.files(options.lifetime, executables))
            for number in range(len(places.nodes)):
                await made.join(number)
            for one in sample.services:
                await made.start_sidecar(str(one.name), made.nodes[sample.node(one.name)])
            await until(lambda: _is_served(made, sample), "every call of the sample is answered", UP_WITHIN)
            yield made
        finally:
            await made.close()


def _places(sample: Sample) -> Places:
    """Each node on a loopback address of its own, which it shares with nobody; the server beside the first."""
    ports = (SERVER_PORT, ENROLMENT_PORT, *sample.ports)
    nodes = tuple(Place(address, address) for address in (free_loopback(ports), free_loopback(ports)))
    return Places(nodes[0], nodes)


async def _is_served(up: Mesh, sample: Sample) -> bool:
    if dead := up.children.dead():
        raise dead
    answers = [await ask(_place(up, sample, edge), edge.listen) for edge in sample.edges]
    return all(one == OK for one in answers)


class _Following:
    """Looks at the change until it is over, and remembers whom it waited for."""

    def __init__(self, up: Mesh, calls: Sequence[tuple[Edge, Calls]], clock: SystemClock, tell: Tell) -> None:
        self._up = up
        self._calls = calls
        self._clock = clock
        self._tell = tell
        self._counted = (0, 0)
        self.phases: list[PhaseSeen] = []

    async def until_over(self, limit: timedelta) -> RotationStatusShape:
        """The last status seen; not of a change that is over if the limit came first."""
        give_up = self._clock.elapsed() + limit
        while True:
            status = await self._up.server_door.get("/v1/rotation", RotationStatusShape)
            at = self._clock.elapsed()
            phase = status.rotation.phase if status.rotation else ""
            self._note(phase, status.waiting, at)
            if phase in OVER or at > give_up:
                return status
            if dead := self._up.children.dead():
                raise dead
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _note(self, phase: str, waiting: Sequence[WaitingShape], at: timedelta) -> None:
        if self.phases:
            self._close(self.phases[-1], at)
        if phase in OVER:
            self._tell(f"{phase} after {_seconds(at - self.phases[0].began)}" if self.phases else phase)
            return
        if not self.phases or self.phases[-1].phase != phase:
            self.phases.append(PhaseSeen(phase, at))
            self._tell(f"{phase}")
        now = self.phases[-1]
        for one in waiting:
            now.stragglers[one.participant or "nobody"] = (at - now.began, one.what)

    def _close(self, phase: PhaseSeen, at: timedelta) -> None:
        good, wrong = sum(one.good for _, one in self._calls), sum(one.wrong for _, one in self._calls)
        phase.took = at - phase.began
        phase.good += good - self._counted[0]
        phase.wrong += wrong - self._counted[1]
        self._counted = good, wrong


def _is_done(status: RotationStatusShape) -> Check:
    phase = status.rotation.phase if status.rotation else "not begun"
    return Check("the change of root is done", f"it is {phase}", phase == "done")


def _none_failed(edge: Edge, calls: Calls) -> Check:
    failed = f", {calls.wrong} failed: {', '.join(dict.fromkeys(calls.examples))}" if calls.wrong else ", none failed"
    return Check(f"no call {edge} fails", f"{calls.good} answered{failed}", calls.good > 0 and not calls.wrong)


async def _all_agree(up: Mesh) -> Check:
    """At the end one root is in the bundle, and everyone holds that bundle."""
    found = await up.server_door.get("/v1/bundle-status", BundleStatusShape)
    differ = [f"{one.participant} on {one.node}" for one in found.holders if not one.agrees] + list(found.silent)
    seen = f"{len(found.roots)} in the bundle; {', '.join(differ) + ' differ' if differ else 'all hold it'}"
    return Check("one root is left, and everyone holds it alone", seen, found.agree and len(found.roots) == 1)


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.1f} s"
