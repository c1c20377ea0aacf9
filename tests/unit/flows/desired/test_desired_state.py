"""Applying asks whether every waiver is in force on that day; starting and going back do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.clock import START, VirtualClock
from tests.kit.repository import WEB, repository
from trustplane.fault import Refused
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.registry.admission.budgets import ended_waivers
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.store import Store

DOMAIN = TrustDomain("acme.example")
WEB_ID = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")
MONTH = timedelta(days=30)
UNTIL = (START + MONTH).date().isoformat()
WAIVER = f"{{waives: outlives-detection, profile: standard, reason: r, owner: shop-team, until: {UNTIL}}}"
WAIVED = repository(trustdomain="{trust_domain: acme.example, mttd: 1h}", waivers__a=WAIVER)


@asynccontextmanager
async def kept(folder: Path, clock: VirtualClock) -> AsyncIterator[tuple[Store, KeepDesiredState]]:
    async with await Store.open(f"sqlite:///{folder / 'trustplane.db'}", clock) as store:
        yield store, KeepDesiredState(DOMAIN, store, store, store, clock)


def test_a_waiver_in_force_is_applied_and_one_that_ended_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        clock = VirtualClock()
        async with kept(tmp_path, clock) as (_, desired):
            await desired.apply(WAIVED, "ann")
            await clock.advance(MONTH + timedelta(days=1))
            for refused in (desired.plan(WAIVED), desired.apply(WAIVED, "ann")):
                with pytest.raises(Refused) as fault:
                    await refused
                assert {one.code for one in fault.value.findings} == {"outlives-detection", "waiver-expired"}

    asyncio.run(run())


def test_a_revision_whose_waiver_ended_loads_at_the_next_start_and_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        clock = VirtualClock()
        async with kept(tmp_path, clock) as (store, desired):
            await desired.apply(WAIVED, "ann")
            await clock.advance(MONTH + timedelta(days=1))
            started = KeepDesiredState(DOMAIN, store, store, store, clock)
            await started.load()
            assert started.current
            assert started.current[0].number == 1
            assert [one.code for one in ended_waivers(started.current[1], clock.now())] == ["waiver-expired"]

    asyncio.run(run())


def test_the_way_back_does_not_wait_for_a_new_waiver(tmp_path: Path) -> None:
    async def run() -> None:
        clock = VirtualClock()
        async with kept(tmp_path, clock) as (_, desired):
            await desired.apply(WAIVED, "ann")
            await desired.apply(repository(), "ann")
            await clock.advance(MONTH + timedelta(days=1))
            revision, _ = await desired.restore(1, "ann")
            assert (revision.number, revision.restored_from) == (3, 1)

    asyncio.run(run())


def test_an_identity_is_the_services_where_the_registry_puts_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with kept(tmp_path, VirtualClock()) as (_, desired):
            assert desired.service_on(NodeName("node-a"), WEB_ID) is None
            await desired.apply(repository(shop__web=WEB + "nodes: [node-a]\n"), "ann")
            found = desired.service_on(NodeName("node-a"), WEB_ID)
            assert found
            assert found.name == ServiceName("shop", "web")
            assert desired.service_on(NodeName("node-b"), WEB_ID) is None

    asyncio.run(run())
