"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _required(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    _desired_state()
    _nodes()
    _uptake()
    _issuing()
    _audit_log()
    _singletons()


def _desired_state() -> None:
    op.create_table(
        "revisions",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        _required("digest", sa.Text()),
        _required("files", sa.LargeBinary()),
        _required("applied_by", sa.Text()),
        _required("applied_at", sa.BigInteger()),
        sa.Column("restored_from", sa.BigInteger, sa.ForeignKey("revisions.number")),
    )


def _nodes() -> None:
    op.create_table(
        "join_tokens",
        sa.Column("token_sha256", sa.LargeBinary(32), primary_key=True),
        _required("node", sa.Text()),
        _required("expires_at", sa.BigInteger()),
        _required("created_by", sa.Text()),
        _required("created_at", sa.BigInteger()),
        sa.Column("spent_at", sa.BigInteger),
    )
    op.create_index("ix_join_tokens_expires_at", "join_tokens", ["expires_at"])
    op.create_table(
        "agents",
        sa.Column("node", sa.Text, primary_key=True),
        _required("address", sa.Text()),
        _required("evidence", sa.Text()),
        _required("enrolled_at", sa.BigInteger()),
        _required("serial", sa.LargeBinary(16)),
        _required("expires_at", sa.BigInteger()),
        _required("banned", sa.Boolean()),
    )


def _uptake() -> None:
    op.create_table(
        "hosting",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        _required("since", sa.BigInteger()),
    )
    op.create_table(
        "holdings",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("participant", sa.Text, primary_key=True),
        sa.Column("thing", sa.Text, primary_key=True),
        _required("desired", sa.Text()),
        _required("held", sa.Text()),
        _required("refusal", sa.Text()),
        _required("since", sa.BigInteger()),
    )


def _issuing() -> None:
    op.create_table(
        "certificates",
        sa.Column("id", _ROW_ID, primary_key=True),
        _required("serial", sa.LargeBinary(16)),
        _required("spiffe_id", sa.Text()),
        _required("purpose", sa.Text()),
        _required("node", sa.Text()),
        _required("profile", sa.Text()),
        _required("authority", sa.Text()),
        _required("not_before", sa.BigInteger()),
        _required("not_after", sa.BigInteger()),
        _required("renew_at", sa.BigInteger()),
        _required("issued_at", sa.BigInteger()),
        _required("leaf", sa.LargeBinary()),
        sa.UniqueConstraint("serial", name="uq_certificates_serial"),
    )
    op.create_index("ix_certificates_spiffe_id_issued_at", "certificates", ["spiffe_id", "issued_at"])
    op.create_index("ix_certificates_not_after", "certificates", ["not_after"])
    op.create_table(
        "authorities",
        sa.Column("id", sa.Text, primary_key=True),
        _required("kind", sa.Text()),
        _required("state", sa.Text()),
        sa.Column("state_since", sa.BigInteger),
        _required("trust_domain", sa.Text()),
        sa.Column("owner", sa.Text),
        _required("public_key", sa.LargeBinary()),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("parent", sa.Text),
        _required("not_before", sa.BigInteger()),
        _required("not_after", sa.BigInteger()),
        _required("sealed_key", sa.LargeBinary()),
    )


def _audit_log() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("index", _ROW_ID, primary_key=True, autoincrement=False),
        _required("at", sa.BigInteger()),
        _required("body", sa.LargeBinary()),
        _required("leaf_hash", sa.LargeBinary(32)),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", _ROW_ID, primary_key=True),
        _required("size", sa.BigInteger()),
        _required("note", sa.Text()),
    )
    op.create_index("ix_checkpoints_size", "checkpoints", ["size"])


def _singletons() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        _required("holder", sa.Text()),
        _required("until", sa.BigInteger()),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        _required("size", sa.BigInteger()),
        _required("frontier", sa.LargeBinary()),
    )
    op.bulk_insert(head, [{"id": 1, "size": 0, "frontier": b""}])
    sequence = op.create_table(
        "bundle_sequence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        _required("sequence", sa.BigInteger()),
        _required("content_digest", sa.Text()),
    )
    op.bulk_insert(sequence, [{"id": 1, "sequence": 0, "content_digest": ""}])
