"""A whole mesh on this machine, to watch and to measure; gone without a trace when it ends.

Nothing here is special: the demo starts the real server, agent, services and Envoys as anyone would, sends real
requests through them, and counts what the proxies themselves logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from trustplane.fault import Unavailable
from trustplane.host.envoy import find_envoy
from trustplane.main.demo.children import Children
from trustplane.main.demo.directory import free_loopback, run_directory
from trustplane.main.demo.mesh import CONSOLE_PORT, ENROLMENT_PORT, SERVER_PORT, Mesh, Site
from trustplane.main.demo.report import Renewals, Report, report
from trustplane.main.demo.screen import Screen
from trustplane.main.demo.shop import Shop, find_shop
from trustplane.main.demo.traffic import Counts, Doors, Traffic
from trustplane.registry.durations import as_written

FIRST_REQUEST_WITHIN_SECONDS = 90.0
LOOK_EVERY_SECONDS = 0.5
OPERATOR = "demo"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`seconds` of traffic; none: until told to stop. `headless` keeps standard output for one JSON object."""

    seconds: float | None
    headless: bool
    leaf_lifetime: timedelta
    shop: Path | None = None
    envoy: Path | None = None


def run(options: DemoOptions) -> bool:
    """Whether everything worked."""
    return asyncio.run(_run(options))


async def _run(options: DemoOptions) -> bool:
    screen = Screen(headless=options.headless)
    with run_directory(Path(tempfile.gettempdir())) as directory:
        demo = _Demo(options, screen, directory)
        running = asyncio.create_task(demo.run())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, demo.stop, running)
        try:
            found = await running
        except asyncio.CancelledError:
            screen.tell("stopped; nothing is left running")
            return False
    screen.close(found)
    if options.headless:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return found.went_well


class _Demo:
    def __init__(self, options: DemoOptions, screen: Screen, directory: Path) -> None:
        self._options = options
        self._screen = screen
        self._directory = directory
        self._counts = Counts()
        self._renewals = Renewals()
        self._traffic: Traffic | None = None

    def stop(self, running: asyncio.Task[Report]) -> None:
        """The first time politely, if there is traffic to finish; else at once."""
        traffic, self._traffic = self._traffic, None
        if traffic:
            self._screen.tell("stopping: requests under way are finished first")
            traffic.stop()
        else:
            running.cancel()

    async def run(self) -> Report:
        site, executables = self._site()
        (self._directory / "logs").mkdir()
        children = Children(self._directory / "logs")
        mesh = Mesh(site, children, self._screen.tell)
        try:
            await mesh.start_server()
            await mesh.apply()
            async with asyncio.TaskGroup() as group:
                group.create_task(mesh.start_agent())
                group.create_task(mesh.start_services())
            async with mesh.sidecars(executables):
                await self._serve(site, mesh, children)
            # Envoy writes the end of its log when it ends, so only now is everything counted.
            return report(self._screen.started, self._counts, mesh.tally, self._renewals, len(site.shop.parts))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several
        finally:
            await mesh.close()
            await children.stop()

    def _site(self) -> tuple[Site, dict[str, Path]]:
        tell, lifetime = self._screen.tell, self._options.leaf_lifetime
        original = find_shop(self._options.shop)
        shop = original.with_lifetime(lifetime)
        own = ", ".join(sorted({as_written(one.lifetime) for one in original.state.profiles.values()}))
        tell(f"a copy of the example's trust repository; certificates live {as_written(lifetime)} in it, not {own}")
        is_root = os.geteuid() == 0
        executables: dict[str, Path] = {}
        if not is_root:
            executables = self._copies_of_envoy(shop)
            shop = shop.with_executables({part.name: executables[part.short] for part in shop.parts})
            tell("not root: sidecars are told apart by their executable's path, all under one user;")
            tell("  that shows how it works, but is no security boundary between this user's processes")
        address = free_loopback((*shop.ports, SERVER_PORT, ENROLMENT_PORT, CONSOLE_PORT))
        return Site(self._directory, address, shop, may_change_user=is_root, envoy=self._options.envoy), executables

    def _copies_of_envoy(self, shop: Shop) -> dict[str, Path]:
        """One file under five names: links where the file system has them."""
        original = self._directory / "envoy"
        shutil.copy2(find_envoy(self._options.envoy), original)
        copies = {part.short: self._directory / f"envoy-{part.short}" for part in shop.parts}
        for path in copies.values():
            path.hardlink_to(original)
        return copies

    async def _serve(self, site: Site, mesh: Mesh, children: Children) -> None:
        ports = {part.short: part.ports.app for part in site.shop.parts}
        to_ledger = next(part.urls["LEDGER_URL"] for part in site.shop.parts if part.short == "reporting")
        doors = Doors(*(f"http://{site.address}:{port}" for port in (ports["web"], ports["reporting"], to_ledger)))
        traffic = Traffic(doors, self._counts, self._screen.tell)
        await traffic.warm_up(FIRST_REQUEST_WITHIN_SECONDS)
        self._screen.tell("first order paid: customer, web, checkout, payments, ledger, all of it mTLS in between")
        self._traffic = traffic
        if self._options.seconds is not None:
            asyncio.get_running_loop().call_later(self._options.seconds, traffic.stop)
        self._screen.tell("look inside from another terminal with trustplane status, after:")
        for name, value in _surroundings(site).items():
            self._screen.tell(f"  export {name}={value}")
        await self._tell_of_the_console(site, mesh)
        with self._screen.live():
            flowing = asyncio.create_task(traffic.run())
            watching = asyncio.create_task(self._watch(mesh, children))
            try:
                await asyncio.wait((flowing, watching), return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    await watching
                await flowing
            finally:
                traffic.stop()
                watching.cancel()
                await asyncio.wait((flowing, watching))

    async def _tell_of_the_console(self, site: Site, mesh: Mesh) -> None:
        tell, address = self._screen.tell, f"http://{site.address}:{CONSOLE_PORT}/"
        if self._options.headless:  # its words are kept in logs, where no password belongs
            tell(f"or in a browser at {address}")
        else:
            tell(f"or in a browser at {address} as {OPERATOR}, an operator, with this password, shown only now:")
            tell(f"  {await mesh.add_operator(OPERATOR)}")
        tell("another account: trustplane console account add NAME --role auditor")

    async def _watch(self, mesh: Mesh, children: Children) -> None:
        while True:
            if dead := children.dead():
                raise dead
            with contextlib.suppress(Unavailable):
                for entry in self._renewals.look(await mesh.agent_status()):
                    self._screen.tell(f"{entry.service} renewed its SVID: serial {(entry.serial or '')[:12]}")
            self._screen.draw(self._counts, mesh.tally, self._renewals)
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def _surroundings(site: Site) -> dict[str, str]:
    """What the other commands need to find this demo."""
    return {
        "TRUSTPLANE_SERVER_SOCKET": str(site.socket("server")),
        "TRUSTPLANE_AGENT_SOCKET": str(site.socket("agent")),
        "SPIFFE_ENDPOINT_SOCKET": f"unix:{site.socket('workload')}",
        "TRUST": str(site.repository),
    }
