"""What other trust domains have shown of their uptake of our bundle, the newest of each."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from trustplane.fault import Finding
from trustplane.spiffe.ids import TrustDomain
from trustplane.store.tables import partner_statements
from trustplane.store.transaction import Transaction
from trustplane.trust.federation import Failure
from trustplane.trust.partner import Shown
from trustplane.trust.statement import Statement


def put(transaction: Transaction, shown: Shown) -> None:
    row = _row(shown)
    rest = {name: value for name, value in row.items() if name != "trust_domain"}
    new = transaction.insert_or(partner_statements).on_conflict_do_update(index_elements=["trust_domain"], set_=rest)
    transaction.write(new.values(**row))


def drop(transaction: Transaction, name: TrustDomain) -> None:
    transaction.write(delete(partner_statements).where(partner_statements.c.trust_domain == name.name))


def everything(connection: Connection) -> tuple[Shown, ...]:
    """By name."""
    rows = connection.execute(select(partner_statements).order_by(partner_statements.c.trust_domain))
    return tuple(_shown(row) for row in rows)


def _row(shown: Shown) -> dict[str, Any]:
    failure, said = shown.failure, shown.statement
    finding = failure.finding if failure else None
    told = {"code": finding.code, "what": finding.what, "why": finding.why, "fix": finding.fix} if finding else None
    return {
        "trust_domain": shown.trust_domain.name,
        "about": said.about.name if said else None,
        "sequence": str(said.sequence) if said else None,
        "digest": said.digest if said else None,
        "x509_digest": said.x509_digest if said else None,
        "behind": said.behind if said else None,
        "issued_at": said.issued_at if said else None,
        "expires_at": said.expires_at if said else None,
        "since": shown.since,
        "asked_at": shown.asked_at,
        "failure": json.dumps(told) if told else None,
        "failing_since": failure.since if failure else None,
        "is_silent": shown.is_silent,
    }


def _shown(row: Row[Any]) -> Shown:
    name = TrustDomain(row.trust_domain)
    said = None
    if row.about is not None:
        said = Statement(
            by=name,
            about=TrustDomain(row.about),
            sequence=int(row.sequence),
            digest=row.digest,
            x509_digest=row.x509_digest,
            behind=row.behind,
            issued_at=row.issued_at,
            expires_at=row.expires_at,
        )
    failure = Failure(Finding(**json.loads(row.failure)), row.failing_since) if row.failure else None
    return Shown(name, said, row.since, row.asked_at, failure, is_silent=row.is_silent)
