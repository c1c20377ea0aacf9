"""A throw-away mesh of real processes: a server, agents and two sidecars, brought up as anyone would.

Each process can be stopped, ended and started again while the mesh stands. At the end none is left, whatever became of
them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from trustplane.fault import Unavailable
from trustplane.host import small_disk
from trustplane.main.demo.children import Children, Program
from trustplane.main.demo.doors import Door
from trustplane.main.rehearsals import repository
from trustplane.main.rehearsals.pair import CALLEE, CALLER, Candidate
from trustplane.main.rehearsals.places import ENROLMENT_PORT, SERVER_PORT, Place, Places
from trustplane.main.rehearsals.server import Shifted
from trustplane.main.rehearsals.traffic import ask, callee
from trustplane.wire.http_shapes import (
    AgentStatusShape,
    AppliedShape,
    RepositoryRequest,
    TokenRequest,
    TokenShape,
)

UP_WITHIN = timedelta(seconds=60)
SHOWS_WITHIN = timedelta(seconds=40)
LOOK_EVERY_SECONDS = 0.1
TRUSTPLANE = (sys.executable, "-m", "trustplane.cli")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a rehearsal needs otherwise than the plain mesh: leaves that live so long, a server clock that is wrong,
    authorities that are not of today, an agent that keeps its files on a small disk, agents' own leaves that live as
    short as the others."""

    lifetime: timedelta
    server_ahead: timedelta = timedelta(0)
    authorities_age: timedelta = timedelta(0)
    agent_disk_bytes: int | None = None
    are_nodes_short_lived: bool = False


@dataclass(slots=True)
class Node:
    name: str
    place: Place
    door: Door
    process: asyncio.subprocess.Process

    async def status(self) -> AgentStatusShape:
        return await self.door.get("/v1/status", AgentStatusShape)

    async def reasons(self) -> dict[str, str]:
        return {one.code: one.what for one in (await self.status()).reasons}

    async def serials(self) -> dict[str, str | None]:
        return {one.spiffe_id: one.serial for one in (await self.status()).entries}

    async def first_expiry(self) -> datetime:
        return min(await self._expiries())

    async def last_expiry(self) -> datetime:
        return max(await self._expiries())

    async def _expiries(self) -> list[datetime]:
        return [one.not_after for one in (await self.status()).entries if one.not_after]


class Mesh:
    """Made by `mesh`."""

    def __init__(self, folder: Path, envoy: Path, candidate: Candidate, places: Places, shape: Shape) -> None:
        self.folder = folder
        self.places = places
        self.shape = shape
        self.nodes: list[Node] = []
        self.children = Children(folder)
        self.server_door = Door(folder / "server.sock")
        self._envoy = envoy
        self._candidate = candidate
        self._server: asyncio.subprocess.Process | None = None
        self._sidecars = 0

    @property
    def caller(self) -> Node:
        return self.nodes[0]

    @property
    def callee(self) -> Node:
        return self.nodes[-1]

    async def close(self) -> None:
        for process in self._processes():
            _signal(process, signal.SIGCONT)
        await self.children.stop()
        for door in (self.server_door, *(node.door for node in self.nodes)):
            await door.close()

    def _processes(self) -> list[asyncio.subprocess.Process]:
        return [one for one in (self._server, *(node.process for node in self.nodes)) if one]

    def pause_server(self) -> None:
        if self._server:
            _signal(self._server, signal.SIGSTOP)

    def resume_server(self) -> None:
        if self._server:
            _signal(self._server, signal.SIGCONT)

    async def end_server(self) -> None:
        if self._server:
            await self.children.end(self._server)
            self._server = None

    async def start_server(self, ahead: timedelta = timedelta(0)) -> None:
        await self.launch_server(ahead)
        await self._until_up("server", self.server_door)

    async def launch_server(self, ahead: timedelta = timedelta(0)) -> None:
        """Without waiting whether it comes up."""
        words = self._shifted_server(ahead) if ahead else self._plain_server()
        self._server = await self._start("server", self.places.server, words)

    def _plain_server(self) -> Sequence[str]:
        address = self.places.server.address
        return (
            *TRUSTPLANE,
            *("server", "run", "--trust-domain", self._candidate.trust_domain.name),
            *("--data-dir", str(self.folder / "server"), "--server-socket", str(self.folder / "server.sock")),
            *("--listen-node", f"{address}:{SERVER_PORT}", "--listen-enrolment", f"{address}:{ENROLMENT_PORT}"),
            *self._node_lifetime(),
        )

    def _node_lifetime(self) -> Sequence[str]:
        seconds = f"{self.shape.lifetime.total_seconds():.0f}s"
        return ("--node-lifetime", seconds) if self.shape.are_nodes_short_lived else ()

    def _shifted_server(self, ahead: timedelta) -> Sequence[str]:
        address = self.places.server.address
        wanted = Shifted(
            trust_domain=self._candidate.trust_domain.name,
            data_dir=str(self.folder / "server"),
            socket=str(self.folder / "server.sock"),
            nodes=f"{address}:{SERVER_PORT}",
            enrolment=f"{address}:{ENROLMENT_PORT}",
            ahead_seconds=ahead.total_seconds(),
        )
        return (sys.executable, "-m", "trustplane.main.rehearsals.server", msgspec.json.encode(wanted).decode())

    async def apply(self) -> None:
        names = [f"node-{number}" for number in range(len(self.places.nodes))]
        nodes = {CALLER: names[0], CALLEE: names[-1], "ledger": names[0], "reports": names[-1]}
        executables = {name: self.executable(f"{repository.NAMESPACE}/{name}") for name in nodes}
        await self.apply_files(repository.files(self._candidate, self.shape.lifetime, executables, nodes))

    async def apply_files(self, files: Mapping[str, str]) -> None:
        await self.server_door.post("/v1/revisions", AppliedShape, RepositoryRequest(files=dict(files)))

    def executable(self, service: str) -> Path:
        """A file of its own for each sidecar tells their processes apart without being root."""
        path = self.folder / f"envoy-{service.replace('/', '.')}"
        if not path.exists():
            try:
                path.hardlink_to(self._envoy)
            except OSError:  # another file system
                shutil.copy2(self._envoy, path)
        return path

    async def join(self, number: int) -> None:
        name, place = f"node-{number}", self.places.nodes[number]
        token = await self.server_door.post("/v1/join-tokens", TokenShape, TokenRequest(node=name, ttl_seconds=300.0))
        token_file, bundle_file = self.folder / f"{name}.token", self.folder / f"{name}.bundle"
        token_file.touch(mode=0o600)
        token_file.write_text(token.token)
        bundle_file.write_bytes(await self.server_door.raw("/bundle"))
        door = Door(self.folder / f"{name}.sock")
        node = Node(name, place, door, await self._start(name, place, self._agent(name, place)))
        self.nodes.append(node)
        await self._until_up(name, door)

    def _agent(self, name: str, place: Place) -> Sequence[str]:
        server = self.places.server.address
        data = self.folder / name
        data.mkdir(mode=0o700)
        words = (
            *TRUSTPLANE,
            *("agent", "run", "--trust-domain", self._candidate.trust_domain.name, "--node", name),
            *("--server", f"{server}:{SERVER_PORT}", "--enrolment", f"{server}:{ENROLMENT_PORT}"),
            *("--data-dir", str(data), "--bundle-file", str(self.folder / f"{name}.bundle")),
            *("--join-token-file", str(self.folder / f"{name}.token")),
            *("--workload-socket", str(self.folder / f"{name}-w.sock")),
            *("--xds-socket", str(self.folder / f"{name}-x.sock")),
            *("--agent-socket", str(self.folder / f"{name}.sock")),
            *("--address", place.address, "--loopback", place.loopback, "--envoy", str(self._envoy)),
        )
        size = self.shape.agent_disk_bytes
        if size is None:
            return words
        return (sys.executable, "-I", small_disk.__file__, str(data), str(size), *words)

    async def start_sidecar(self, service: str, node: Node) -> None:
        self._sidecars += 1
        run = self.folder / f"run-{self._sidecars}"  # short: a socket's path has 107 bytes
        words = (
            *TRUSTPLANE,
            *("sidecar", service, "--run-dir", str(run)),
            *("--xds-socket", str(self.folder / f"{node.name}-x.sock"), "--envoy", str(self.executable(service))),
        )
        await self._start(f"sidecar-{service.replace('/', '.')}", node.place, words)

    async def served(self) -> None:
        """Web's calls reach pay."""
        await until(self._is_served, f"{CALLER} reaches {CALLEE}", UP_WITHIN)

    async def _is_served(self) -> bool:
        if dead := self.children.dead():
            raise dead
        return await ask(self.caller.place) == "200"

    async def _start(self, name: str, place: Place, words: Sequence[str]) -> asyncio.subprocess.Process:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)}
        return await self.children.start(Program(name, place.command(words), self.folder, environment))

    async def _until_up(self, name: str, door: Door) -> None:
        complaint = ""

        async def up() -> bool:
            nonlocal complaint
            if dead := self.children.dead():
                raise dead
            complaint = await door.healthy()
            return not complaint

        try:
            await until(up, f"{name} is up", UP_WITHIN)
        except Unavailable as fault:
            if fault.code != "rehearsal-waited-in-vain":
                raise
            raise Unavailable(
                code="rehearsal-mesh-not-up",
                what=f"{name} is not able to work within {UP_WITHIN.seconds} seconds",
                why=complaint,
                fix="if it is the fault of this rehearsal, the candidate does not bear it; else rehearse it alone",
            ) from fault


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def until(holds: Callable[[], Awaitable[object]], what: str, within: timedelta = SHOWS_WITHIN) -> None:
    """Wait for a condition; Unavailable, saying what was waited for, when it does not come."""
    give_up = time.monotonic() + within.total_seconds()
    while not await holds():
        if time.monotonic() > give_up:
            raise Unavailable(
                code="rehearsal-waited-in-vain",
                what=f"{what}: that did not come",
                why=f"it was waited for {within.total_seconds():.0f} seconds",
                fix="rehearse it alone, and on a machine with less to do; if it fails again, it is a defect",
            )
        await asyncio.sleep(LOOK_EVERY_SECONDS)


@contextlib.asynccontextmanager
async def mesh(folder: Path, envoy: Path, candidate: Candidate, places: Places, shape: Shape) -> AsyncIterator[Mesh]:
    """Up, and web's calls to pay are served."""
    made = Mesh(folder, envoy, candidate, places, shape)
    async with callee(places.nodes[-1]):
        try:
            if shape.authorities_age:
                await made.start_server(-shape.authorities_age)
                await made.end_server()
            await made.start_server(shape.server_ahead)
            await made.apply()
            for number in range(len(places.nodes)):
                await made.join(number)
            await made.start_sidecar(f"{repository.NAMESPACE}/{CALLEE}", made.callee)
            await made.start_sidecar(f"{repository.NAMESPACE}/{CALLER}", made.caller)
            await made.served()
            yield made
        finally:
            await made.close()
