"""Authorities and their sealed keys. A key goes in once and comes out by its ID alone; no list contains it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from sqlalchemy import Connection, Row, insert, select, update

from trustplane.fault import Broken, Refused
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.store.tables import authorities
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState


def put(transaction: Transaction, authority: Authority, sealed_key: bytes) -> None:
    if transaction.read(select(authorities.c.id).where(authorities.c.id == authority.id.hex)).first():
        raise Refused(
            code="authority-exists",
            what=f"{authority.kind.value} authority {authority.id} is there already",
            why="an authority is named by its key, and each is made once",
            fix="read it instead of making it again",
        )
    transaction.write(insert(authorities), _row(authority, sealed_key))
    transaction.signal(Topic.AUTHORITIES)


def move(
    transaction: Transaction, authority: AuthorityId, states: tuple[AuthorityState, AuthorityState], at: datetime
) -> bool:
    """From the first state to the second; False when it was not in the first one (any more)."""
    before, after = states
    here = update(authorities).where(authorities.c.id == authority.hex, authorities.c.state == before.value)
    moved = transaction.write(here.values(state=after.value, state_since=at)) == 1
    if moved:
        transaction.signal(Topic.AUTHORITIES)
    return moved


def everything(connection: Connection) -> tuple[Authority, ...]:
    public = [column for column in authorities.c if column.name != "sealed_key"]
    ordered = select(*public).order_by(authorities.c.not_before, authorities.c.id)
    return tuple(_authority(row) for row in connection.execute(ordered))


def sealed_key(connection: Connection, authority: AuthorityId) -> bytes:
    query = select(authorities.c.sealed_key).where(authorities.c.id == authority.hex)
    key: bytes | None = connection.execute(query).scalar_one_or_none()
    if key is None:
        raise Refused(
            code="authority-unknown",
            what=f"there is no authority {authority}",
            why="its key was asked for",
            fix="trustplane status lists the authorities",
        )
    return key


def _row(authority: Authority, sealed: bytes) -> dict[str, object]:
    certificate = authority.certificate
    return {
        "id": authority.id.hex,
        "kind": authority.kind.value,
        "state": authority.state.value,
        "trust_domain": authority.trust_domain.name,
        "owner": authority.owner.name if authority.owner else None,
        "public_key": authority.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "certificate": certificate.public_bytes(Encoding.DER) if certificate else None,
        "parent": authority.parent.hex if authority.parent else None,
        "not_before": authority.not_before,
        "not_after": authority.not_after,
        "sealed_key": sealed,
    }


def _authority(row: Row[Any]) -> Authority:
    key = load_der_public_key(row.public_key)
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise Broken(
            code="authority-key-kind",
            what=f"authority {row.id[:12]} is stored with a {type(key).__name__}",
            why="authorities have EC or RSA keys",
            fix="report this with the audit log around the authority's creation",
        )
    return Authority(
        id=AuthorityId(row.id),
        kind=AuthorityKind(row.kind),
        state=AuthorityState(row.state),
        trust_domain=TrustDomain(row.trust_domain),
        owner=NodeName(row.owner) if row.owner else None,
        public_key=key,
        certificate=x509.load_der_x509_certificate(row.certificate) if row.certificate else None,
        parent=AuthorityId(row.parent) if row.parent else None,
        not_before=row.not_before,
        not_after=row.not_after,
        state_since=row.state_since,
    )
