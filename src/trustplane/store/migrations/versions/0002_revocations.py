"""What is revoked, and the CRLs that say so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "revocations",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("spiffe_id", sa.Text),
        sa.Column("authority", sa.Text),
        sa.Column("sha256", sa.Text),
        sa.Column("not_after", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("cut_at", sa.BigInteger),
        sa.Column("lifted_at", sa.BigInteger),
    )
    op.create_index("ix_revocations_subject", "revocations", ["subject"])
    op.create_table(
        "crls",
        sa.Column("authority", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("signed_at", sa.BigInteger, nullable=False),
        sa.Column("next_update", sa.BigInteger, nullable=False),
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )
