from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import ACME, NOON, authority_keys
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.flows.issuing.replace_issuers import ReplaceIssuers
from trustplane.flows.issuing.revoke import Order, Revoke
from trustplane.main.metrics.crl import CrlMetrics
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Store
from trustplane.trust.lifecycle import Lifetimes
from trustplane.trust.revocation import Reason


def test_crls_are_told_of_while_there_are_any(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = VirtualClock(NOON)
        async with await Store.open(f"sqlite:///{tmp_path / 'store.db'}", clock) as store:
            keys = authority_keys()
            authorities = KeepAuthorities(store, keys, Instance(ACME, NodeName("server-1")), Lifetimes(), clock)
            await authorities.start()
            desired = KeepDesiredState(ACME, store, store, store, clock)
            keep = KeepRevocations(store, keys, desired, clock)
            registry = CollectorRegistry()
            registry.register(CrlMetrics(keep))
            assert "trustplane_crl" not in generate_latest(registry).decode()
            revoke = Revoke(store, keep, ReplaceIssuers(store, authorities, keep, desired, clock), clock)
            order = Order(Reason.SUPERSEDED, "", "local:eve")
            await revoke.issuer(authorities.x509_signer().authority.id.hex, order, compromised=True)
            said = generate_latest(registry).decode()
            assert 'trustplane_revocations{kind="issuer"} 1.0' in said
            assert "trustplane_crl_expiry_timestamp_seconds" in said
            assert "trustplane_revocation_findings 0.0" in said

    asyncio.run(scenario())
