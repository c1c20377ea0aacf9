"""Certificates, bundles, rules and our own server change while requests flow through real Envoys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.ca import TestCa
from tests.kit.envoy_bench import ACME, EnvoyBench, RefusedConnection, load, more, until
from trustplane.fault import Refused
from trustplane.main.envoy_bench import PATIENCE, Member
from trustplane.registry.model import Operation
from trustplane.registry.view import Endpoint
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.xds.conversation import Held
from trustplane.xds.guards import Published, published
from trustplane.xds.resources import Kind, Offer

READ = Operation("read", "GET", "/read")


def run(folder: Path, scenario: Callable[[EnvoyBench], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with EnvoyBench(folder) as bench:
            bench.add("pay", allows={"web": (READ, Operation("slow", "GET", "/slow"))})
            bench.add("web", calls=["pay"])
            await bench.start()
            await scenario(bench)

    asyncio.run(whole())


async def publish_all(bench: EnvoyBench) -> None:
    for member in bench.members.values():
        bench.publish(member)
    for member in bench.members.values():
        await bench.settled(member)


async def rotate_leaves(bench: EnvoyBench) -> None:
    for member in bench.members.values():
        member.svid = bench.keyed(member.sidecar.spiffe_id)
    await publish_all(bench)


async def in_use(bench: EnvoyBench, member: Member) -> set[int]:
    """The serials that Envoy itself says it runs."""
    assert member.envoy is not None
    found = await member.envoy.admin.certs()
    return {int(str(each["serial_number"]), 16) for one in found for each in one["cert_chain"]}  # type: ignore[attr-defined] # JSON from Envoy


def test_leaves_rotate_under_load_without_a_failed_request(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        # Connections end after five seconds, so that every rotation is followed by handshakes.
        short = {"leaf_lifetime": timedelta(seconds=20), "longest_request": timedelta(seconds=1)}
        for member in bench.members.values():
            bench.publish(member, **short)
        async with load(bench, "web", "pay", "/read") as statuses:
            for _ in range(8):
                await rotate_leaves(bench)
                await more(statuses, 50)
            last = bench.members["web"].svid.svid.serial
            await bench.logged("pay", lambda line: int(str(line.get("peer_serial") or 0), 16) == last)
        assert set(statuses) == {200}
        for member in bench.members.values():
            assert member.svid.svid.serial in await in_use(bench, member)

    run(socket_dir, scenario)


def test_a_root_is_replaced_under_load_without_a_failed_request(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        old = bench.root
        new = TestCa.root(ACME)
        async with load(bench, "web", "pay", "/read") as statuses:
            bench.bundles = BundleSet.of(Bundle(ACME, (old.certificate, new.certificate)))
            await publish_all(bench)
            bench.issuing = new.intermediate()
            await rotate_leaves(bench)
            bench.bundles = BundleSet.of(Bundle(ACME, (new.certificate,)))
            await publish_all(bench)
            await more(statuses, 100)
        assert set(statuses) == {200}
        held = bench.uptake.held["shop/pay", "secret/spiffe://acme.example"]
        assert held.held == bench.bundles[ACME].digest

    run(socket_dir, scenario)


def test_a_caller_taken_off_the_list_is_refused_on_its_open_connection(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        pay = bench.members["pay"]
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 200
        before = await handshakes(bench, pay)
        bench.publish(pay, callers=())
        await bench.settled(pay)
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 403
        assert await handshakes(bench, pay) == before

    run(socket_dir, scenario)


async def handshakes(bench: EnvoyBench, member: Member) -> int:
    assert member.envoy is not None
    return sum((await member.envoy.admin.stats(r"^listener\..*\.ssl\.handshake$")).values())


def test_our_server_may_restart_and_sends_nothing_that_is_held(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        pay, web = bench.members["pay"], bench.members["web"]
        updates = r"(update_success|ssl_context_update_by_sds|listener_modified|cluster_modified)$"
        async with load(bench, "web", "pay", "/read") as statuses:
            assert pay.envoy is not None
            before = await pay.envoy.admin.stats(updates)
            await bench.stop_ads()
            await more(statuses, 50)
            bench.uptake.held.clear()
            await bench.start_ads()
            await bench.settled(pay)
            await bench.settled(web)
            assert await pay.envoy.admin.stats(updates) == before
            await rotate_leaves(bench)
            await more(statuses, 50)
        assert set(statuses) == {200}

    run(socket_dir, scenario)


def test_a_server_that_has_nothing_loaded_yet_takes_nothing_away(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        pay = bench.members["pay"]
        loaded = bench.desired.sidecars.pop(pay.node)
        await bench.stop_ads()
        bench.desired.known_but_not_loaded.add(pay.node)
        bench.uptake.held.clear()
        await bench.start_ads()
        await bench.settled(bench.members["web"])
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 200
        bench.desired.publish(pay.node, loaded)
        await bench.settled(pay)
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 200

    run(socket_dir, scenario)


def test_what_a_proxy_refuses_is_recorded_with_its_words_and_the_rest_is_taken(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        pay = bench.members["pay"]
        offer = bench.desired.sidecars[pay.node].offer
        bad = broken_listener(offer)
        bench.desired.publish(pay.node, published(bad, bench.at))
        thing = "listener/inbound"
        await bench.uptake.until(lambda: bool(bench.uptake.held[pay.node, thing].refusal))
        told = bench.uptake.held[pay.node, thing]
        assert told.held == offer.of(Kind.LISTENER)["inbound"].version != told.desired
        assert "inbound" in told.refusal
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 200
        bench.publish(pay)
        await bench.settled(pay)
        assert bench.uptake.held[pay.node, thing] == Held(thing, told.held, told.held)

    run(socket_dir, scenario)


def broken_listener(offer: Offer) -> Offer:
    """Well-formed, and refused by Envoy alone: an address that is none."""
    listener = offer.of(Kind.LISTENER)["inbound"]
    address = {"socket_address": {"address": "not-an-address", "port_value": 1}}
    bad = replace(listener, content={**listener.content, "address": address})
    return Offer((*(one for one in offer if one is not listener), bad))


def test_a_callee_nobody_hosts_answers_503_and_comes_back(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        web, pay = bench.members["web"], bench.members["pay"]
        callee = web.sidecar.callees[0]
        bench.publish(web, callees=(replace(callee, endpoints=()),))
        await bench.settled(web)
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 503
        bench.publish(web, callees=(replace(callee, endpoints=(Endpoint("127.0.0.1", pay.sidecar.ports.mesh),)),))
        await bench.settled(web)
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 200

    run(socket_dir, scenario)


def test_a_callee_that_is_no_longer_called_goes_with_its_port(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        web = bench.members["web"]
        url = bench.url("web", "pay", "/read")
        bench.publish(web, callees=())
        gone = ("cluster/outbound/shop/pay", "listener/outbound/shop/pay")
        await bench.uptake.until(lambda: all(bench.uptake.held[web.node, thing].held == "" for thing in gone))
        assert web.envoy is not None
        assert not await web.envoy.admin.stats(r"^cluster\.outbound/shop/pay\.membership_total$")
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]))

    run(socket_dir, scenario)


def test_a_sidecar_drains_before_it_stops(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        pay = bench.members["pay"]
        assert pay.envoy is not None
        slow = asyncio.create_task(bench.call("web", "pay", "GET", "/slow"))
        await until(lambda: bool(pay.served))
        await pay.envoy.stop()
        assert (await slow).status_code == 200

    run(socket_dir, scenario)


def test_an_expired_leaf_is_not_published_and_the_one_before_stays(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        pay = bench.members["pay"]
        pay.svid = bench.keyed(pay.sidecar.spiffe_id, bench.issuing, not_after=bench.at - timedelta(seconds=1))
        with pytest.raises(Refused, match="expired"):
            bench.publish(pay)
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 200

    run(socket_dir, scenario)


def test_danger_1_a_rejected_certificate_is_explained_by_the_callees_log_joined_by_address(socket_dir: Path) -> None:
    """The wrong order: the caller presents a leaf of a root that the callee does not hold yet."""

    async def scenario(bench: EnvoyBench) -> None:
        web, new = bench.members["web"], TestCa.root(ACME)
        bench.bundles = BundleSet.of(Bundle(ACME, (bench.root.certificate, new.certificate)))
        web.svid = bench.keyed(web.sidecar.spiffe_id, new.intermediate())
        bench.publish(web)
        await bench.settled(web)
        assert (await bench.call("web", "pay", "GET", "/read")).status_code == 503
        caller = await bench.logged("web", lambda line: line["status"] == 503)
        assert not caller["tls_failure"]
        failed = await bench.logged("pay", lambda line: line["peer"] == caller["upstream_local"])
        assert "unable_to_get_local_issuer_certificate" in str(failed["tls_failure"])
        assert int(str(failed["peer_serial"]), 16) == web.svid.svid.serial

    run(socket_dir, scenario)


def test_danger_2_a_bundle_emptied_behind_the_guards_still_lets_nobody_in(socket_dir: Path) -> None:
    """Alone, an empty context asks nobody for a certificate. Beside the identities in the listener Envoy refuses it."""

    async def scenario(bench: EnvoyBench) -> None:
        pay = bench.members["pay"]
        offer = bench.desired.sidecars[pay.node].offer
        bundle = offer.of(Kind.SECRET)[str(ACME.id)]
        emptied = replace(bundle, content={**bundle.content, "validation_context": {}}, stands_for="")
        unsafe = Offer((*(one for one in offer if one is not bundle), emptied))
        with pytest.raises(Refused):
            published(unsafe, bench.at)
        bench.desired.publish(pay.node, unguarded(unsafe, bench))
        record = (pay.node, f"secret/{ACME.id}")
        await bench.uptake.until(lambda: "without trusted CA" in bench.uptake.held[record].refusal)
        with pytest.raises(RefusedConnection):
            await bench.dial("pay", b"GET /read HTTP/1.1\r\nhost: pay\r\n\r\n", bench.client_tls(None))
        assert pay.served == []

    run(socket_dir, scenario)


def unguarded(offer: Offer, bench: EnvoyBench) -> Published:
    """A Published that never passed: only by going behind the type's back."""
    passed = next(iter(bench.desired.sidecars.values()))
    return replace(passed, offer=offer)


def test_danger_5_a_connection_ends_while_it_is_busy_and_no_request_with_it(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        for member in bench.members.values():
            bench.publish(member, leaf_lifetime=timedelta(seconds=20), longest_request=timedelta(seconds=1))
            await bench.settled(member)
        before = await handshakes(bench, bench.members["pay"])
        async with load(bench, "web", "pay", "/read") as statuses:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                while await handshakes(bench, bench.members["pay"]) < before + 2:
                    await more(statuses, 20)
        assert set(statuses) == {200}

    run(socket_dir, scenario)
