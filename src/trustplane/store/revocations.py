"""What is revoked, and the newest CRL of each authority. Whatever is in force is revoked once; a CRL only moves on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update

from trustplane.spiffe.ids import SpiffeId
from trustplane.store.tables import crls, revocations
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction
from trustplane.trust.authority import AuthorityId
from trustplane.trust.revocation import (
    Cause,
    Reason,
    Revocations,
    RevokedCertificate,
    RevokedId,
    RevokedIssuer,
    SignedCrl,
)

_CERTIFICATE, _ID, _ISSUER = "certificate", "id", "issuer"


def put(transaction: Transaction, wanted: Revocations) -> None:
    """What is in force already stays as it is, with its first cause."""
    rows = list(_rows(wanted))
    subjects = [row["subject"] for row in rows]
    here = select(revocations.c.kind, revocations.c.subject).where(
        revocations.c.subject.in_(subjects), revocations.c.lifted_at.is_(None)
    )
    known = {(row.kind, row.subject) for row in transaction.read(here)}
    if new := [row for row in rows if (row["kind"], row["subject"]) not in known]:
        transaction.write(insert(revocations), new)
        transaction.signal(Topic.REVOCATIONS)


def lift_id(transaction: Transaction, spiffe_id: SpiffeId, at: datetime) -> bool:
    """False when it was not revoked (any more)."""
    return _change(transaction, _in_force(_ID, str(spiffe_id)), {"lifted_at": at})


def cut_issuer(transaction: Transaction, authority: AuthorityId, at: datetime) -> bool:
    """False when it was cut off before, or is not revoked."""
    not_yet = and_(_in_force(_ISSUER, authority.hex), revocations.c.cut_at.is_(None))
    return _change(transaction, not_yet, {"cut_at": at})


def everything(connection: Connection) -> Revocations:
    """In force, the oldest first."""
    rows = connection.execute(
        select(revocations).where(revocations.c.lifted_at.is_(None)).order_by(revocations.c.at, revocations.c.id)
    )
    # Two replicas that revoke the same at once may both write it: the first one counts.
    found: dict[tuple[str, str], Row[Any]] = {}
    for row in rows:
        found.setdefault((row.kind, row.subject), row)
    return Revocations(
        certificates=tuple(_certificate(row) for row in found.values() if row.kind == _CERTIFICATE),
        ids=tuple(RevokedId(SpiffeId.parse(row.subject), _cause(row)) for row in found.values() if row.kind == _ID),
        issuers=tuple(_issuer(row) for row in found.values() if row.kind == _ISSUER),
    )


def prune(transaction: Transaction, expired_before: datetime) -> int:
    """The audit log keeps its word on them."""
    return transaction.write(delete(revocations).where(revocations.c.not_after < expired_before))


def put_crl(transaction: Transaction, crl: SignedCrl) -> bool:
    """False, and nothing written, unless its number is above that of the one it replaces."""
    row = {
        "authority": crl.authority.hex,
        "number": crl.number,
        "signed_at": crl.signed_at,
        "next_update": crl.next_update,
        "listing": crl.listing,
        "der": crl.der,
    }
    statement = transaction.insert_or(crls)
    newer = crls.c.number < statement.excluded.number
    set_ = {name: statement.excluded[name] for name in row if name != "authority"}
    written = transaction.write(
        statement.on_conflict_do_update(index_elements=["authority"], set_=set_, where=newer), row
    )
    if written:
        transaction.signal(Topic.REVOCATIONS)
    return written == 1


def newest_crls(connection: Connection) -> tuple[SignedCrl, ...]:
    rows = connection.execute(select(crls).order_by(crls.c.authority))
    return tuple(
        SignedCrl(AuthorityId(row.authority), row.number, row.signed_at, row.next_update, row.listing, row.der)
        for row in rows
    )


def _change(transaction: Transaction, which: ColumnElement[bool], values: dict[str, object]) -> bool:
    changed = transaction.write(update(revocations).where(which).values(**values)) > 0
    if changed:
        transaction.signal(Topic.REVOCATIONS)
    return changed


def _in_force(kind: str, subject: str) -> ColumnElement[bool]:
    return and_(revocations.c.kind == kind, revocations.c.subject == subject, revocations.c.lifted_at.is_(None))


def _rows(wanted: Revocations) -> Iterator[dict[str, Any]]:
    for one in wanted.certificates:
        about = {"spiffe_id": str(one.spiffe_id), "authority": one.authority.hex, "sha256": one.sha256}
        yield _row(_CERTIFICATE, f"{one.serial:032x}", one.cause, **about, not_after=one.not_after)
    for each in wanted.ids:
        yield _row(_ID, str(each.spiffe_id), each.cause)
    for issuer in wanted.issuers:
        yield _row(_ISSUER, issuer.authority.hex, issuer.cause, cut_at=issuer.cut_at)


def _row(kind: str, subject: str, cause: Cause, **about: object) -> dict[str, Any]:
    empty = dict.fromkeys(("spiffe_id", "authority", "sha256", "not_after", "cut_at", "lifted_at"))
    told = {"reason": cause.reason.value, "note": cause.note, "by": cause.by, "at": cause.at}
    return {**empty, "kind": kind, "subject": subject, **told, **about}


def _cause(row: Row[Any]) -> Cause:
    return Cause(Reason(row.reason), row.note, row.by, row.at)


def _certificate(row: Row[Any]) -> RevokedCertificate:
    return RevokedCertificate(
        serial=int(row.subject, 16),
        spiffe_id=SpiffeId.parse(row.spiffe_id),
        authority=AuthorityId(row.authority),
        sha256=row.sha256,
        not_after=row.not_after,
        cause=_cause(row),
    )


def _issuer(row: Row[Any]) -> RevokedIssuer:
    return RevokedIssuer(AuthorityId(row.subject), _cause(row), row.cut_at)
