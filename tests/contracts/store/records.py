"""Records to put into a store."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.kit.ca import p256
from tests.kit.clock import VirtualClock
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.fault import Fault
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.records import Agent, Holding, JoinToken
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.store import Store
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState

NOW = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
NODE = NodeName("node-a")
OTHER_NODE = NodeName("node-b")
WEB = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")
LEDGER = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/ledger")
WEB_SERVICE = ServiceName("shop", "web")
LEDGER_SERVICE = ServiceName("shop", "ledger")

AGENT = Agent(NODE, "192.0.2.1", "join-token", NOW, (1 << 128) - 1, NOW + HOUR)
HOLDING = Holding(NODE, "sidecar:shop/web", "bundle", "aa", "", "", NOW)
TOKEN = JoinToken(hashlib.sha256(b"token").digest(), NODE, NOW + HOUR, "operator", NOW)
CERTIFICATE = IssuedCertificate(
    serial=1,
    spiffe_id=WEB,
    purpose=Purpose.WORKLOAD,
    node=NODE,
    profile="default@1",
    authority=AuthorityId("ab" * 32),
    not_before=NOW,
    not_after=NOW + HOUR,
    renew_at=NOW + HOUR / 2,
    issued_at=NOW,
    leaf=b"\x30\x00",
)

JWT = Authority(
    id=AuthorityId("cd" * 32),
    kind=AuthorityKind.JWT,
    state=AuthorityState.PREPARED,
    trust_domain=TrustDomain("acme.example"),
    owner=None,
    public_key=p256().public_key(),
    certificate=None,
    parent=None,
    not_before=NOW,
    not_after=NOW + HOUR,
)


async def opened(url: str) -> Store:
    return await Store.open(url, VirtualClock(NOW))


def certificates(*serials: int) -> list[IssuedCertificate]:
    return [replace(CERTIFICATE, serial=serial) for serial in serials]


async def code_of(awaited: Awaitable[object]) -> str:
    """The code of the fault it ends in, or `done`."""
    try:
        await awaited
    except Fault as fault:
        return fault.code
    return "done"


async def bodies(store: Store) -> Sequence[bytes]:
    """All of the audit log, after its indexes and its head were found to agree with it."""
    entries = await store.audit_entries(0, 1_000_000)
    found = [entry.body for entry in entries]
    assert entries == [AuditEntry(index, body, leaf_hash(body)) for index, body in enumerate(found)]
    tree = Frontier().extend(entry.leaf_hash for entry in entries)
    assert await store.audit_head() == (tree.size, tree.hashes)
    return found
