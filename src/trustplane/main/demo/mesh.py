"""The demo's mesh, brought up as an operator would: server, repository, token, agent, services, sidecars.

Server and agent are the real commands in processes of their own, asked through their admin sockets. Each service and
its sidecar run as the user that the service's selectors name, as far as this process may change users.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trustplane.fault import Unavailable
from trustplane.host.envoy import EnvoySettings, find_envoy, running
from trustplane.main.demo.children import Children, Program, interpreter_for
from trustplane.main.demo.doors import Door
from trustplane.main.demo.log import Tally, read_lines
from trustplane.main.demo.shop import Part, Shop
from trustplane.wire.http_people_shapes import AccountRequest, AccountShape
from trustplane.wire.http_shapes import (
    AgentStatusShape,
    AppliedShape,
    RepositoryRequest,
    TokenRequest,
    TokenShape,
)
from trustplane.xds.bootstrap import Sockets, bootstrap

NODE = "demo"
SERVER_PORT, ENROLMENT_PORT, CONSOLE_PORT = 20401, 20402, 20403
UP_WITHIN = timedelta(seconds=60)
DRAIN = timedelta(seconds=2)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything of this demo is."""

    directory: Path
    address: str
    shop: Shop
    may_change_user: bool
    envoy: Path | None = None

    def socket(self, name: str) -> Path:
        return self.directory / f"{name}.sock"

    @property
    def repository(self) -> Path:
        """The trust repository as applied, to be edited and applied again."""
        return self.directory / "trust"


class Mesh:
    def __init__(self, site: Site, children: Children, tell: Tell) -> None:
        self._site = site
        self._children = children
        self._tell = tell
        self.tally = Tally()
        self.server = Door(site.socket("server"))
        self.agent = Door(site.socket("agent"))

    async def start_server(self) -> None:
        site = self._site
        await self._command(
            "server",
            "server run",
            ("--trust-domain", site.shop.state.trust_domain.name),
            ("--data-dir", str(site.directory / "server")),
            ("--listen-node", f"{site.address}:{SERVER_PORT}"),
            ("--listen-enrolment", f"{site.address}:{ENROLMENT_PORT}"),
            ("--server-socket", str(site.socket("server"))),
            ("--listen-console", f"{site.address}:{CONSOLE_PORT}"),
        )
        await self._until(self.server, "server")
        self._tell(f"server is up for {site.shop.state.trust_domain}: a root, an issuing authority, a JWT key")

    async def apply(self) -> None:
        files = {path: text.decode() for path, text in self._site.shop.files.items()}
        _write_repository(self._site.repository, files)
        applied = await self.server.post("/v1/revisions", AppliedShape, RepositoryRequest(files=files))
        count = len(self._site.shop.parts)
        self._tell(f"trust repository applied as revision {applied.revision.number}: {count} services")

    async def add_operator(self, name: str) -> str:
        """The password of the new account. Hexadecimal: it can contain neither the name nor what a form changes."""
        password = secrets.token_hex(10)
        body = AccountRequest(name=name, role="operator", password=password)
        await self.server.post("/v1/accounts", AccountShape, body)
        return password

    async def start_agent(self) -> None:
        site = self._site
        token = await self.server.post("/v1/join-tokens", TokenShape, TokenRequest(node=NODE, ttl_seconds=300.0))
        token_file, bundle_file = site.directory / "token", site.directory / "bundle.json"
        token_file.touch(mode=0o600)
        token_file.write_text(token.token)
        bundle_file.write_bytes(await self.server.raw("/bundle"))
        await self._command(
            "agent",
            "agent run",
            ("--trust-domain", site.shop.state.trust_domain.name),
            ("--node", NODE),
            ("--server", f"{site.address}:{SERVER_PORT}"),
            ("--enrolment", f"{site.address}:{ENROLMENT_PORT}"),
            ("--data-dir", str(site.directory / "agent")),
            ("--bundle-file", str(bundle_file)),
            ("--join-token-file", str(token_file)),
            ("--workload-socket", str(site.socket("workload"))),
            ("--xds-socket", str(site.socket("xds"))),
            ("--agent-socket", str(site.socket("agent"))),
            ("--address", site.address),
            ("--loopback", site.address),
            *((("--envoy", str(site.envoy)),) if site.envoy else ()),
        )
        await self._until(self.agent, "agent")
        self._tell(f"agent joined as node {NODE} by a single-use token and holds every identity")

    async def start_services(self) -> None:
        """From a copy, because a service's own user may not be able to read this checkout."""
        services = self._site.directory / "shop" / "services"
        shutil.copytree(self._site.shop.root / "services", services, ignore=shutil.ignore_patterns("__pycache__"))
        by_user = [part.uid if self._site.may_change_user else None for part in self._site.shop.parts]
        python = await interpreter_for(by_user[0])
        if python is None:
            self._tell("note: no Python is readable for other users; services run as this user, sidecars as their own")
            by_user = [None for _ in by_user]
        for part, user in zip(self._site.shop.parts, by_user, strict=True):
            await self._children.start(self._service(part, python or sys.executable, user))
        self._tell(f"services are up in the clear on {self._site.address}, which is loopback")

    def _service(self, part: Part, python: str, user: int | None) -> Program:
        port = str(part.ports.app)
        arguments = (python, "-B", "-m", f"services.{part.short}", "--address", self._site.address, "--port", port)
        urls = {variable: f"http://{self._site.address}:{listen}" for variable, listen in part.urls.items()}
        return Program(f"service {part.short}", arguments, self._site.directory / "shop", urls, user)

    @contextlib.asynccontextmanager
    async def sidecars(self, executables: Mapping[str, Path]) -> AsyncIterator[None]:
        """All at once; each is ready when its listeners are open."""
        async with contextlib.AsyncExitStack() as stack:
            started = [
                stack.enter_async_context(self._sidecar(part, executables.get(part.short)))
                for part in self._site.shop.parts
            ]
            await asyncio.gather(*started)
            self._tell(f"{len(started)} Envoy sidecars attached and configured by the agent")
            yield

    @contextlib.asynccontextmanager
    async def _sidecar(self, part: Part, executable: Path | None) -> AsyncIterator[None]:
        user = part.uid if self._site.may_change_user else None
        directory = self._site.directory / f"sidecar-{part.short}"
        directory.mkdir(mode=0o700)
        reading, writing = os.pipe()
        if user is not None:
            os.chown(directory, user, user)
            os.fchown(writing, user, user)  # Envoy opens /dev/stdout anew, as its own user
        admin = directory / "admin.sock"
        settings = EnvoySettings(
            executable or find_envoy(self._site.envoy), directory, admin, DRAIN, user, user, stdout=writing
        )
        configuration = bootstrap(part.name, Sockets(self._site.socket("xds"), admin))
        counting = asyncio.create_task(read_lines(reading, self.tally))
        try:
            async with running(settings, configuration) as envoy:
                os.close(writing)
                await envoy.ready()
                yield
        finally:
            await counting

    async def agent_status(self) -> AgentStatusShape:
        return await self.agent.get("/v1/status", AgentStatusShape)

    async def close(self) -> None:
        await self.server.close()
        await self.agent.close()

    async def _command(self, name: str, words: str, *options: tuple[str, str]) -> None:
        flat = [word for option in options for word in option]
        arguments = (sys.executable, "-m", "trustplane.cli", *words.split(), *flat)
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self._site.directory)}
        await self._children.start(Program(name, arguments, self._site.directory, environment))

    async def _until(self, door: Door, name: str) -> None:
        """Until it says that it can do its work, or ends, or the time is over."""
        why = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UP_WITHIN.total_seconds()):
                while why := await door.healthy():
                    if dead := self._children.dead():
                        raise dead
                    await asyncio.sleep(0.05)
                return
        raise Unavailable(
            code="demo-part-not-up",
            what=f"{name} did not come up within {UP_WITHIN.seconds} seconds",
            why=f"{why}; its last words: {self._children.last_words(name)}",
            fix="run the demo again; when it happens again, report the last words",
        )


def _write_repository(directory: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
