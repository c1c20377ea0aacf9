"""Trust changes while connections are open: they are made anew, or end by age, and no request is lost by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx

from tests.kit.ca import TestCa
from tests.kit.envoy_bench import ACME, EnvoyBench, load, more
from trustplane.main.envoy_bench import LOOPBACK, PATIENCE, Member
from trustplane.registry.connections import Connections, WhenTrustChanges
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.xds.open_connections import STATISTICS, OpenConnections, open_connections

LONGEST_REQUEST = timedelta(seconds=12)
STREAMED = 20  # pieces, a quarter of a second each: half of the longest request, on a machine with pauses
DRAIN = Connections(None, WhenTrustChanges.DRAIN)


def run(
    folder: Path,
    connections: Connections,
    scenario: Callable[[EnvoyBench], Awaitable[None]],
    longest_request: timedelta = timedelta(seconds=1),
) -> None:
    async def whole() -> None:
        async with EnvoyBench(folder) as bench:
            pay = bench.add("pay", allows={"web": ()})
            pay.serves_http = False
            web = bench.add("web", calls=["pay"])
            for member in (pay, web):
                bench.publish(member, longest_request=longest_request, connections=connections)
            (callee,) = web.sidecar.callees
            bench.publish(web, callees=(replace(callee, longest_request=longest_request, connections=connections),))
            async with await asyncio.start_server(answer, LOOPBACK, pay.sidecar.ports.app):
                await bench.start()
                await scenario(bench)

    asyncio.run(whole())


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """At once, or piece by piece: `/streamed` to its end, `/endless` without one."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b" / " not in head.splitlines()[0]:
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                for _ in range(STREAMED if b" /streamed " in head else 1000):
                    writer.write(b"1\r\nx\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.25)
                writer.write(b"0\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def streaming(bench: EnvoyBench) -> AsyncIterator[asyncio.Task[int]]:
    """A request whose answer has begun, and goes on while the body runs; the task answers with how much came."""
    begun = asyncio.Event()

    async def whole() -> int:
        async with (
            httpx.AsyncClient(timeout=20) as client,
            client.stream("GET", bench.url("web", "pay", "/streamed")) as got,
        ):
            assert got.status_code == 200
            length = 0
            async for piece in got.aiter_bytes():
                length += len(piece)
                begun.set()
            return length

    task = asyncio.create_task(whole())
    await begun.wait()
    yield task
    assert await task == STREAMED


async def publish_all(bench: EnvoyBench) -> None:
    for member in bench.members.values():
        bench.publish(member)
    for member in bench.members.values():
        await bench.settled(member)


async def change_root(bench: EnvoyBench) -> None:
    """As a rotation does: both roots, then leaves below the new one, then the new root alone."""
    old, new = bench.root, TestCa.root(ACME)
    bench.bundles = BundleSet.of(Bundle(ACME, (old.certificate, new.certificate)))
    await publish_all(bench)
    bench.issuing = new.intermediate()
    for member in bench.members.values():
        member.svid = bench.keyed(member.sidecar.spiffe_id)
    await publish_all(bench)
    bench.bundles = BundleSet.of(Bundle(ACME, (new.certificate,)))
    await publish_all(bench)


async def measured(bench: EnvoyBench, member: Member) -> OpenConnections:
    assert member.envoy is not None
    return open_connections(await member.envoy.admin.stats(STATISTICS), bench.desired.sidecars[member.node].offer)


async def until_measured(
    bench: EnvoyBench, member: Member, holds: Callable[[OpenConnections], bool]
) -> OpenConnections:
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while True:
            found = await measured(bench, member)
            if holds(found):
                return found
            await asyncio.sleep(0.1)


def only_of_now(found: OpenConnections) -> bool:
    return found.is_taken_up and found.before == 0 and found.count > 0


def test_every_connection_is_made_anew_at_once_and_no_request_is_lost_nor_a_stream_cut(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        async with load(bench, "web", "pay", "/") as statuses, streaming(bench) as streamed:
            await more(statuses, 50)
            await change_root(bench)
            web = bench.members["web"]
            while_it_lasts = await measured(bench, web)
            assert while_it_lasts.before == 1, "the connection of the stream, and no other"
            await more(statuses, 50)
            assert not streamed.done()
            await streamed
            for member in bench.members.values():
                await until_measured(bench, member, only_of_now)
            await more(statuses, 50)
        assert set(statuses) == {200}
        last = bench.members["web"].svid.svid.serial
        await bench.logged("pay", lambda line: int(str(line.get("peer_serial") or 0), 16) == last)

    run(socket_dir, DRAIN, scenario, LONGEST_REQUEST)


def test_a_client_that_is_no_sidecar_is_not_cut_but_counted(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        pay = bench.members["pay"]
        tls = bench.client_tls(bench.keyed(bench.id_of("web")))
        tls.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection(LOOPBACK, pay.sidecar.ports.mesh, ssl=tls)
        await until_measured(bench, pay, lambda found: found.count == 1)
        await change_root(bench)
        found = await until_measured(bench, pay, lambda found: found.is_taken_up)
        assert (found.count, found.before, list(found.former.values()).count(1)) == (1, 1, 1)
        assert not reader.at_eof()
        writer.close()
        await until_measured(bench, pay, lambda found: found.before == 0)

    run(socket_dir, DRAIN, scenario)


def test_by_age_connections_stay_over_a_change_and_end_when_they_are_old(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        web = bench.members["web"]
        assert web.envoy is not None
        pattern = r"^cluster\.outbound/shop/pay\.upstream_cx_(total|max_duration_reached)$"
        async with load(bench, "web", "pay", "/") as statuses:
            await more(statuses, 20)
            first = await web.envoy.admin.stats(pattern)
            bench.bundles = BundleSet.of(Bundle(ACME, (bench.root.certificate, TestCa.root(ACME).certificate)))
            await publish_all(bench)
            assert await web.envoy.admin.stats(pattern) == first, "trust changed, and nobody connected anew"
            async with asyncio.timeout(PATIENCE.total_seconds()):
                while not sum((await web.envoy.admin.stats(r"upstream_cx_max_duration_reached$")).values()):
                    await more(statuses, 20)
        assert set(statuses) == {200}

    run(socket_dir, Connections(timedelta(seconds=5)), scenario)


def test_a_stream_that_its_caller_never_ends_ends_all_the_same(socket_dir: Path) -> None:
    """Envoy counts a request's timeout from its end; without one, such a stream would keep its connection for ever."""

    async def scenario(bench: EnvoyBench) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0.2)

        async with httpx.AsyncClient(timeout=PATIENCE.total_seconds()) as client:
            with contextlib.suppress(httpx.HTTPError):
                await client.post(bench.url("web", "pay", "/endless"), content=endless())
        figures_of_pay = r"^http\.inbound.*\.downstream_rq_max_duration_reached$"
        assert bench.members["pay"].envoy is not None
        assert sum((await bench.members["pay"].envoy.admin.stats(figures_of_pay)).values()) == 1

    run(socket_dir, DRAIN, scenario)
