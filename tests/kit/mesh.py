"""A mesh of real processes: server, agents and sidecars, each started by its command as an operator would.

Everything is in one short folder and on one loopback address of its own, or, where links are to be cut, each process in
the network of its host: `mesh.join("node-a", address=mesh.at(host))`. Whatever a test does to the processes, at the end
none is left. Steps read as sentences: `mesh.start_server()`, `mesh.apply(repository)`, `mesh.join("node-a")`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from tests.kit.listings import every_holding
from tests.kit.mesh_repository import APP, DOMAIN, NAMESPACE, PORTS_A_SERVICE, Member, Repository
from tests.kit.mesh_traffic import application, status
from trustplane.cli import admin
from trustplane.fault import Fault
from trustplane.host.envoy import find_envoy
from trustplane.host.network_namespaces import Host
from trustplane.main.demo.directory import free_loopback
from trustplane.wire.http_shapes import AgentStatusShape, HoldingShape, ServerStatusShape

TRUSTPLANE = (sys.executable, "-m", "trustplane.cli")
PATIENCE_SECONDS = 60.0
STOPPED_WITHIN_SECONDS = 15.0
MEMBERS = 8


def until(holds: Callable[[], object], what: str, within: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition; the limit is only there so that a broken test ends."""
    give_up = time.monotonic() + within
    while not holds():
        assert time.monotonic() < give_up, f"not within {within:.0f} seconds: {what}"
        time.sleep(0.05)


class Part:
    """One process of the mesh: what it said is in its log, which outlives its restarts."""

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name.replace('/', '-')}.log"
        self.output = folder / f"{name.replace('/', '-')}.out"
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self.log.open("ab") as log, self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9: it gets no chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """As an operator stops it; answers with its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop when it was asked to:\n{self.last_words()}") from None

    def ended(self) -> int:
        """The exit code of a process that ends by itself."""
        assert self._process is not None
        return self._process.wait(PATIENCE_SECONDS)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_words(self) -> str:
        return f"--- {self.name} ---\n" + "\n".join(self.said().splitlines()[-15:])


@dataclass
class Node:
    """An agent and where it is."""

    name: str
    address: str
    loopback: str  # where its services are asked, and ask
    part: Part
    workload: Path
    xds: Path
    admin: Path
    data: Path
    sidecars: dict[str, Part] = field(default_factory=dict)

    def status(self) -> AgentStatusShape:
        return admin.agent(self.admin).get("/v1/status", AgentStatusShape)

    def ready(self) -> bool:
        """It holds everything it should."""
        with contextlib.suppress(Fault, msgspec.ValidationError):
            admin.agent(self.admin).raw("/healthz")
            return True
        return False


@dataclass
class Server:
    name: str
    address: str
    part: Part
    admin: Path
    data: Path

    def ready(self) -> bool:
        with contextlib.suppress(Fault, msgspec.ValidationError):
            admin.server(self.admin).raw("/healthz")
            return True
        return False

    def status(self) -> ServerStatusShape:
        return admin.server(self.admin).get("/v1/status", ServerStatusShape)

    def held(self) -> Sequence[HoldingShape]:
        return every_holding(admin.server(self.admin))

    def all_held(self) -> bool:
        """Every participant has acknowledged exactly what it should hold."""
        return {one.state for one in self.held()} == {"held"}

    @property
    def node_door(self) -> str:
        return f"{self.address}:{NODE_PORT}"

    @property
    def enrolment_door(self) -> str:
        return f"{self.address}:{ENROLMENT_PORT}"

    @property
    def https_door(self) -> str:
        return f"{self.address}:{HTTPS_PORT}"


NODE_PORT, ENROLMENT_PORT, HTTPS_PORT, FEDERATION_PORT = 20443, 20444, 20445, 20446
PORTS = (NODE_PORT, ENROLMENT_PORT, HTTPS_PORT, FEDERATION_PORT, *range(APP, APP + MEMBERS * PORTS_A_SERVICE))


class Mesh:
    def __init__(self, folder: Path, domain: str = DOMAIN, namespace: str = NAMESPACE, drain: str = "5m") -> None:
        self.folder = folder
        self.domain = domain
        self.namespace = namespace
        self.drain = drain
        self.address = free_loopback(PORTS)
        self.servers: dict[str, Server] = {}
        self.nodes: dict[str, Node] = {}
        self._hosts: dict[str, Host] = {}
        self._parts: list[Part] = []
        self._closing = contextlib.ExitStack()
        self._repositories = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for part in reversed(self._parts):
            with contextlib.suppress(AssertionError):
                if part.alive():
                    part.stop()
        self._closing.close()

    def last_words(self) -> str:
        return "\n".join(part.last_words() for part in self._parts) + "\n"

    @property
    def server(self) -> Server:
        return next(iter(self.servers.values()))

    @property
    def node(self) -> Node:
        return next(iter(self.nodes.values()))

    def at(self, host: Host) -> str:
        """Its address; what is started there runs in its network."""
        self._hosts[host.address] = host
        return host.address

    def entered(self, address: str) -> contextlib.AbstractContextManager[None]:
        """For sockets that must be in the network of that address."""
        host = self._hosts.get(address)
        return host.entered() if host else contextlib.nullcontext()

    def status(self, node: Node, port: int) -> int:
        """What a caller on that node is answered; 0 when nobody answers."""
        with self.entered(node.address):
            return status(node.loopback, port)

    def members(self, *names: str, **calls: Sequence[str]) -> tuple[Member, ...]:
        """Services in this order, each known by an Envoy of its own: `members("web", "pay", web=["pay"])`."""
        return tuple(
            Member(
                name,
                number,
                self.executable(name),
                tuple(calls.get(name, ())),
                domain=self.domain,
                namespace=self.namespace,
            )
            for number, name in enumerate(names)
        )

    def executable(self, name: str) -> Path:
        path = self.folder / f"envoy-{name}"
        if not path.exists():
            original = find_envoy(None)
            try:
                path.hardlink_to(original)
            except OSError:  # another file system
                shutil.copy2(original, path)
        return path

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A command of trustplane, to its end."""
        return subprocess.run(
            [*TRUSTPLANE, *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, *words: str) -> dict[str, object]:
        """What a command that must succeed answers as JSON."""
        ran = self.run(*words, "--json")
        assert ran.returncode == 0, f"trustplane {' '.join(words)}: {ran.stderr}"
        answer: dict[str, object] = json.loads(ran.stdout)
        return answer

    def start_server(self, *options: str, name: str = "server-1", address: str | None = None) -> Server:
        address = address or self.address
        words = ("--trust-domain", self.domain, "--instance", name, "--data-dir", str(self.folder / name))
        doors = (
            *("--listen-node", f"{address}:{NODE_PORT}"),
            *("--listen-enrolment", f"{address}:{ENROLMENT_PORT}"),
            *("--server-socket", str(self.folder / f"{name}.sock")),
        )
        return self.adopt_server([*TRUSTPLANE, "server", "run", *words, *doors, *options], name, address)

    def adopt_server(self, arguments: Sequence[str], name: str = "server-1", address: str | None = None) -> Server:
        """A server by a program of the test's own, at the same places."""
        address = address or self.address
        part = self._part(name, arguments, address)
        server = Server(name, address, part, self.folder / f"{name}.sock", self.folder / name)
        self.servers[name] = server
        part.start()
        self.until_up(part, server.ready)
        return server

    def until_up(self, part: Part, ready: Callable[[], bool]) -> None:
        def up() -> bool:
            assert part.alive(), f"{part.name} ended:\n{part.last_words()}"
            return ready()

        until(up, f"{part.name} is ready\n{part.last_words()}")

    def apply(self, repository: Repository, server: Server | None = None) -> dict[str, object]:
        folder = self.written(repository)
        return self.ask("apply", str(folder), "--server-socket", str((server or self.server).admin))

    def written(self, repository: Repository) -> Path:
        self._repositories += 1
        return repository.write(self.folder / f"trust-{self._repositories}")

    def token(self, node: str) -> Path:
        answer = self.ask("server", "token", "create", node, "--server-socket", str(self.server.admin))
        path = self.folder / f"{node}.token"
        path.touch(mode=0o600)
        path.write_text(str(answer["token"]))
        return path

    def bundle(self, server: Server | None = None) -> Path:
        path = self.folder / "bundle.json"
        path.write_text(self.run("server", "bundle", "--server-socket", str((server or self.server).admin)).stdout)
        return path

    def agent(
        self, name: str, *options: str, address: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Node:
        """An agent, not started yet. It enrols with what `options` say."""
        address = address or self.address
        loopback = "127.0.0.1" if address in self._hosts else address
        places = {one: self.folder / f"{name}-{one}.sock" for one in ("workload", "xds", "admin")}
        doors = [
            word
            for server in self.servers.values()
            for word in ("--server", server.node_door, "--enrolment", server.enrolment_door)
        ]
        bundle = self.folder / "bundle.json"
        words = (
            *("--trust-domain", self.domain, "--node", name, "--data-dir", str(self.folder / name)),
            *("--bundle-file", str(bundle if bundle.exists() else self.bundle())),
            *("--workload-socket", str(places["workload"]), "--xds-socket", str(places["xds"])),
            *("--agent-socket", str(places["admin"]), "--address", address, "--loopback", loopback),
        )
        part = self._part(name, [*TRUSTPLANE, "agent", "run", *words, *doors, *options], address, environment)
        return Node(
            name, address, loopback, part, places["workload"], places["xds"], places["admin"], self.folder / name
        )

    def join(
        self, name: str = "node-a", *, address: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Node:
        """An agent that enrols with a token and is up."""
        token = ("--join-token-file", str(self.token(name)))
        node = self.agent(name, *token, address=address, environment=environment)
        self.start(node)
        return node

    def start(self, node: Node) -> None:
        self.nodes[node.name] = node
        node.part.start()
        self.until_up(node.part, node.ready)

    def start_sidecars(self, *members: Member, node: Node | None = None) -> None:
        """Sidecars of these services, and an application behind each."""
        node = node or self.node
        for member in members:
            with self.entered(node.address):
                self._closing.enter_context(application(member.name, node.loopback, member.app))
            node.sidecars[member.name] = self.sidecar(member, node)
        for member in members:
            part = node.sidecars[member.name]
            self.until_up(part, lambda part=part: "is served" in part.said())  # type: ignore[misc] # bound at once

    def sidecar(self, member: Member, node: Node) -> Part:
        words = (member.service, "--xds-socket", str(node.xds), "--run-dir", str(self.folder / f"run-{member.name}"))
        part = self._part(
            f"sidecar-{member.name}",
            [*TRUSTPLANE, "sidecar", *words, "--envoy", str(member.executable), "--drain", self.drain],
            node.address,
        )
        part.start()
        return part

    def background(self, name: str, arguments: Sequence[str]) -> Part:
        """Any other process that belongs to the scenario and must end with it."""
        part = self._part(name, arguments)
        part.start()
        return part

    def _part(
        self, name: str, arguments: Sequence[str], address: str = "", environment: Mapping[str, str] | None = None
    ) -> Part:
        host = self._hosts.get(address)
        part = Part(name, host.command(arguments) if host else arguments, self.folder, environment)
        self._parts.append(part)
        return part


def access_log(part: Part) -> Iterator[dict[str, object]]:
    """What a sidecar's proxy logged so far."""
    for line in part.output.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # the last line may be half written
            yield json.loads(line)


def ends_saying(node: Node, *words: str) -> None:
    """Its agent cannot do its work, and ends by itself with these words."""
    node.part.start()
    assert node.part.ended() == 1, node.part.said()
    for word in words:
        assert word in node.part.said()
    assert "Warning" not in node.part.said()
