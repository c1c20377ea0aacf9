"""What is known of other trust domains: the newest bundle of each, its roots ever held, and how asking for it went.

A row is never removed, so that a name that comes back is still known by its roots.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, select, update

from trustplane.fault import Finding
from trustplane.spiffe import bundle_document
from trustplane.spiffe.ids import TrustDomain
from trustplane.store.tables import federated_domains
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction
from trustplane.trust.federation import Failure, Peer


def put(transaction: Transaction, peer: Peer) -> bool:
    """Under the next version. False, and nothing written, when `peer` is not made from what is stored now."""
    row = {**_row(peer), "version": peer.version + 1}
    if peer.version == 0:
        new = transaction.insert_or(federated_domains).on_conflict_do_nothing(index_elements=["trust_domain"])
        written = transaction.write(new, row)
    else:
        same = federated_domains.c.trust_domain == peer.trust_domain.name
        current = federated_domains.c.version == peer.version
        written = transaction.write(update(federated_domains).where(same, current).values(**row))
    if written == 1:
        transaction.signal(Topic.FEDERATION)
    return written == 1


def everything(connection: Connection) -> tuple[Peer, ...]:
    """By name."""
    rows = connection.execute(select(federated_domains).order_by(federated_domains.c.trust_domain))
    return tuple(_peer(row) for row in rows)


def _row(peer: Peer) -> dict[str, Any]:
    failure = peer.failure
    return {
        "trust_domain": peer.trust_domain.name,
        "document": bundle_document.encode(peer.bundle) if peer.bundle else None,
        "taken_at": peer.taken_at,
        "known_roots": json.dumps(sorted(peer.known_roots)),
        "asked_at": peer.asked_at,
        "next_at": peer.next_at,
        "failure": json.dumps(_said(failure.finding)) if failure else None,
        "failing_since": failure.since if failure else None,
        "ended_at": peer.ended_at,
    }


def _said(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "what": finding.what, "why": finding.why, "fix": finding.fix}


def _peer(row: Row[Any]) -> Peer:
    trust_domain = TrustDomain(row.trust_domain)
    return Peer(
        trust_domain=trust_domain,
        version=row.version,
        bundle=bundle_document.decode(row.document, trust_domain) if row.document is not None else None,
        taken_at=row.taken_at,
        known_roots=frozenset(json.loads(row.known_roots)),
        asked_at=row.asked_at,
        next_at=row.next_at,
        failure=Failure(Finding(**json.loads(row.failure)), row.failing_since) if row.failure else None,
        ended_at=row.ended_at,
    )
