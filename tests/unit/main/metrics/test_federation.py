from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from tests.kit.clock import VirtualClock
from tests.kit.federating import Server
from tests.kit.partner import PARTNER, Partner, federated
from tests.kit.repository import repository
from trustplane.flows.issuing.publish_bundle import PublishBundle
from trustplane.main.metrics.federation import FederationMetrics
from trustplane.store.store import Store


def test_a_peer_is_told_of_while_there_is_a_relation(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        async with await Store.open(f"sqlite:///{tmp_path / 'store.db'}", clock) as store:
            server = await Server.on(store, clock)
            registry = CollectorRegistry()
            published = PublishBundle(server.own, server.desired, store)
            registry.register(FederationMetrics(server.federate, published))

            def told() -> str:
                return generate_latest(registry).decode()

            assert 'trust_domain="' not in told()
            await published.current()
            assert "trustplane_bundle_sequence 1.0" in told()
            await server.apply(federated(Partner()))
            assert 'trustplane_federation_authorities{trust_domain="partner.example"} 1.0' in told()
            assert 'trustplane_federation_bundle_sequence{trust_domain="partner.example"} 1.0' in told()
            assert "failing_since_timestamp_seconds{" not in told()
            await server.federate.poll(PARTNER)
            assert "failing_since_timestamp_seconds{" in told()
            await server.apply(repository())
            assert 'trust_domain="' not in told()

    asyncio.run(scenario())
