from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from tests.kit.clock import VirtualClock
from tests.kit.repository import repository
from tests.kit.server_door import NOON, certificate
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.issuing.watch_outage_budget import WatchOutageBudget
from trustplane.issuance.record import IssuedCertificate
from trustplane.main.metrics.outage import OutageGauges
from trustplane.registry.records import Agent
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.store.store import Store

PAYMENTS = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/payments")
WITHOUT_PAYMENTS = repository(shop__payments=None, shop__web="selectors: [unix:uid:1001]\n")


class Leaves:
    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        return [certificate(1), certificate(2, PAYMENTS, timedelta(minutes=20))]

    async def agents(self) -> Sequence[Agent]:
        return []


def samples(registry: CollectorRegistry) -> set[str]:
    lines = generate_latest(registry).decode().splitlines()
    return {line.removeprefix("trustplane_") for line in lines if not line.startswith("#")}


def test_there_is_a_figure_overall_and_for_each_declared_service_and_it_counts_down(tmp_path: Path) -> None:
    async def run() -> None:
        clock, registry = VirtualClock(NOON), CollectorRegistry()
        async with await Store.open(f"sqlite:///{tmp_path / 'trustplane.db'}", clock) as store:
            desired = KeepDesiredState(TrustDomain("acme.example"), store, store, store, clock)
            watch = WatchOutageBudget(Leaves(), desired, clock)
            registry.register(OutageGauges(watch, desired, clock))
            assert samples(registry) == set()
            await desired.apply(repository(trustdomain="{trust_domain: acme.example, mttr: 10m}"), "ann")
            await watch.read()
            await clock.advance(timedelta(minutes=5))
            assert samples(registry) == {
                "issuer_outage_budget_seconds 900.0",
                'service_outage_budget_seconds{service="shop/payments"} 900.0',
                'service_outage_budget_seconds{service="shop/web"} 3300.0',
                "mttr_seconds 600.0",
            }
            await desired.apply(WITHOUT_PAYMENTS, "ann")
            assert samples(registry) == {
                "issuer_outage_budget_seconds 3300.0",
                'service_outage_budget_seconds{service="shop/web"} 3300.0',
            }

    asyncio.run(run())
