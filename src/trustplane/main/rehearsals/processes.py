"""Rehearsals with processes: something between, below or inside server and agents fails while web calls pay.

Leaves live for less than a minute here, so that a rehearsal is as short: shares of a life are what matters, and they
are the candidate's.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trustplane.flows.rehearsal import Check
from trustplane.main.rehearsals.faults import HELD_SECONDS, held_again_and_again, require_small_disk, without_room
from trustplane.main.rehearsals.looks import (
    Serials,
    recovers,
    replaced,
    same,
    says,
    shows,
    shows_no_more,
    until_left,
    until_past,
)
from trustplane.main.rehearsals.mesh import Mesh, Node, Shape, mesh
from trustplane.main.rehearsals.pair import CALLEE, CALLER, Candidate
from trustplane.main.rehearsals.places import Places, apart, together
from trustplane.main.rehearsals.traffic import ask, calling

A_MOMENT, A_WHILE = timedelta(seconds=8), timedelta(seconds=15)
A_LITTLE, MUCH = timedelta(seconds=12), timedelta(minutes=10)
SHORTEST = timedelta(seconds=20)
LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Site:
    """Where process rehearsals are played, and what with."""

    folder: Path
    envoy: Path
    candidate: Candidate

    def life(self, spare: timedelta) -> timedelta:
        """A leaf's life of which so much is left when the candidate's renewal window closes."""
        share = 1 - self.candidate.profile.renew.closes
        return max(SHORTEST, timedelta(seconds=math.ceil(round(spare.total_seconds() / share, 3))))

    @contextlib.asynccontextmanager
    async def mesh(self, name: str, places: AbstractContextManager[Places], shape: Shape) -> AsyncIterator[Mesh]:
        folder = self.folder / name
        folder.mkdir()
        with places as found:
            async with mesh(folder, self.envoy, self.candidate, found, shape) as up:
                yield up


@dataclass(frozen=True, slots=True)
class DrawnProcess:
    """A row as it stands in the list, with what plays it."""

    name: str
    fault: str
    must: str
    play: Callable[[Site], Awaitable[Sequence[Check]]]


async def renewal_blocked(site: Site) -> Sequence[Check]:
    life = site.life(A_MOMENT)
    async with site.mesh("b", together(), Shape(life)) as up, calling(up.caller.place) as calls:
        node = up.caller
        before = await node.serials()
        waiting = await _half_renewed(up, node)
        checks = [
            Check("some leaves are renewed, others are not", f"{len(waiting)} of {len(before)} are not", bool(waiting)),
            await shows(node, "svid-expires-soon", life),
            same("what was not renewed is still what it was, and valid", waiting, await node.serials()),
        ]
        up.resume_server()
        checks.append(await recovers(node, waiting))
    return [*checks, calls.none_failed()]


async def _half_renewed(up: Mesh, node: Node) -> Serials:
    """The server is stopped the moment some leaves are renewed. Answers with those that are not yet."""
    before = await node.serials()
    while True:
        now = await node.serials()
        waiting = {one: serial for one, serial in before.items() if now[one] == serial}
        if len(waiting) < len(before):
            up.pause_server()
            now = await node.serials()
            if waiting := {one: serial for one, serial in before.items() if now[one] == serial}:
                return waiting
            up.resume_server()  # all at once: the next time, then
            before = now
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def clock_ahead(site: Site) -> Sequence[Check]:
    """The agent's clock is the machine's, so a server that is ahead makes the agent's seem behind."""
    life = site.life(A_WHILE)
    shape = Shape(life, server_ahead=A_LITTLE)
    async with site.mesh("f", together(), shape) as up, calling(up.caller.place) as calls:
        checks = [await shows(up.caller, "clock-behind")]
        before = await up.caller.serials()
        await up.end_server()
        await up.launch_server(MUCH)
        must = "the agent refuses a server from the future: certificate is not yet valid"
        checks.append(await says(must, "is not yet valid", lambda: _server_error(up.caller)))
        checks += await _right_again(up, before, life, "clock-behind")
    return [*checks, calls.none_failed()]


async def clock_behind(site: Site) -> Sequence[Check]:
    """By a clock of before its authority was made a server cannot sign; after that, what it signs has expired here."""
    life, age = site.life(A_WHILE), timedelta(hours=1)
    shape = Shape(life, server_ahead=-A_LITTLE, authorities_age=age)
    async with site.mesh("s", together(), shape) as up, calling(up.caller.place) as calls:
        checks = [await shows(up.caller, "clock-ahead")]
        before = await up.caller.serials()
        await up.end_server()
        await up.launch_server(-3 * age)
        must = "the server refuses to start: authority-not-yet-valid"
        checks.append(await says(must, "error[authority-not-yet-valid]", lambda: _last_words(up)))
        await up.end_server()
        await up.start_server(-MUCH)
        must = "the agent refuses leaves that have expired when they come"
        checks.append(await says(must, "the new SVID of", lambda: _renewal_errors(up.caller), life))
        checks += await _right_again(up, before, life, "clock-ahead")
    return [*checks, calls.none_failed()]


async def _right_again(up: Mesh, before: Serials, life: timedelta, code: str) -> list[Check]:
    kept = same("no leaf is replaced by one of that clock", before, await up.caller.serials())
    await up.end_server()
    await up.start_server()
    return [kept, await shows_no_more(up.caller, code), await recovers(up.caller, before, life + A_LITTLE)]


async def _server_error(node: Node) -> str:
    return (await node.status()).server_error or ""


async def _renewal_errors(node: Node) -> str:
    return "; ".join(one.last_error or "" for one in (await node.status()).entries)


async def _answer(node: Node) -> str:
    return f"{CALLER} got {await ask(node.place)}"


async def _last_words(up: Mesh) -> str:
    return up.children.last_words("server")


async def partition_of_one(site: Site) -> Sequence[Check]:
    async with site.mesh("o", apart(2), Shape(site.life(A_WHILE))) as up, calling(up.caller.place) as calls:
        other, cut = up.caller, up.callee  # in the order they joined: the other's leaves are due first
        held, elsewhere = await cut.serials(), await other.serials()
        up.places.sever(cut.place)
        await until_left(cut, A_WHILE * 0.8)
        checks = [
            same(f"no leaf of {cut.name} is renewed meanwhile", held, await cut.serials()),
            replaced(f"the leaves of {other.name} are renewed as ever", elsewhere, await other.serials()),
            await shows(cut, "svid-expires-soon"),
        ]
        up.places.mend(cut.place)
        checks.append(await recovers(cut, held))
    return [*checks, calls.none_failed()]


async def partition_of_all(site: Site) -> Sequence[Check]:
    async with site.mesh("a", apart(2), Shape(site.life(A_WHILE))) as up, calling(up.caller.place) as calls:
        held = [(node, await node.serials()) for node in up.nodes]
        for node in up.nodes:
            up.places.sever(node.place)
        await until_left(up.caller, A_WHILE * 0.8)
        checks = [
            same(f"no leaf of {node.name} is renewed meanwhile", before, await node.serials()) for node, before in held
        ]
        for node in up.nodes:
            up.places.mend(node.place)
        checks += [await recovers(node, before) for node, before in held]
    return [*checks, calls.none_failed()]


async def slow_database(site: Site) -> Sequence[Check]:
    life = site.life(A_MOMENT)
    async with site.mesh("d", together(), Shape(life)) as up, calling(up.caller.place) as calls:
        before = await up.caller.serials()
        with held_again_and_again(up.folder / "server" / "trustplane.db") as holding:
            checks = [await recovers(up.caller, before, life)]
        must = "the database was held by another meanwhile"
        checks.append(Check(must, f"{holding.times} times for {HELD_SECONDS} s", holding.times > 1))
    return [*checks, calls.none_failed()]


async def full_disk(site: Site) -> Sequence[Check]:
    require_small_disk(site.folder)
    life = site.life(A_MOMENT)
    shape = Shape(life, agent_disk_bytes=16 << 20)
    async with site.mesh("w", together(), shape) as up, calling(up.caller.place) as calls:
        node = up.caller
        before = await node.serials()
        with without_room(node.process.pid, up.folder / node.name):
            checks = [await recovers(node, before, life), await shows(node, "identity-cache-not-saved")]
        checks.append(await shows_no_more(node, "identity-cache-not-saved"))
        safe = (await node.status()).survives_restart
        checks.append(Check("with room again, all would survive a restart", "it would" if safe else "no", safe))
    return [*checks, calls.none_failed()]


async def agent_paused(site: Site) -> Sequence[Check]:
    async with site.mesh("p", together(), Shape(SHORTEST)) as up:
        node = up.caller
        before, last = await node.serials(), await node.last_expiry()
        node.process.send_signal(signal.SIGSTOP)
        try:
            await until_past(last)
            must = "what has expired is served no longer than connections may be old"
            checks = [await says(must, "503", lambda: _answer(node))]
        finally:
            node.process.send_signal(signal.SIGCONT)
        checks.append(await recovers(node, before))
        await up.served()
        return [*checks, Check(f"{CALLER}'s calls to {CALLEE} are answered again", await _answer(node), holds=True)]


PROCESS_ROWS = (
    DrawnProcess(
        "renewal-blocked",
        "the server stops (SIGSTOP) when some leaves of a node are renewed and others are not",
        "no call fails; the agent says svid-expires-soon before anything expires; then the rest is renewed",
        renewal_blocked,
    ),
    DrawnProcess(
        "clock-ahead",
        "the server's clock is 12 s ahead of the agent's, then 10 minutes, then right",
        "12 s: served, said as clock-behind; 10 min: the agent refuses it, not yet valid; no call fails",
        clock_ahead,
    ),
    DrawnProcess(
        "clock-behind",
        "the server's clock is 12 s behind the agent's, then 3 hours, then 10 minutes, then right",
        "12 s: served, said as clock-ahead; 3 h: it does not start; 10 min: agents refuse its leaves; no call fails",
        clock_behind,
    ),
    DrawnProcess(
        "partition-one",
        "one agent of two does not reach the server until its leaves' renewal window has been over for a while",
        "no call fails; it says svid-expires-soon, the other renews as ever; healed, it renews by itself",
        partition_of_one,
    ),
    DrawnProcess(
        "partition-all",
        "no agent reaches the server until the leaves' renewal window has been over for a while",
        "no call fails; healed, both renew by themselves",
        partition_of_all,
    ),
    DrawnProcess(
        "slow-database",
        "another process holds the server's database, 1.5 s of every 1.7",
        "every leaf is renewed in time, and no call fails",
        slow_database,
    ),
    DrawnProcess(
        "full-disk",
        "the disk of the agent's data directory is full during a whole round of renewals",
        "every leaf is renewed, no call fails; the agent says identity-cache-not-saved until there is room",
        full_disk,
    ),
    DrawnProcess(
        "agent-paused",
        "the agent is stopped (SIGSTOP) until everything it holds has expired, and goes on",
        "meanwhile calls end with 503; it renews every leaf by itself, and calls are answered again",
        agent_paused,
    ),
)
