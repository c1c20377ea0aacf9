"""Rollouts as deploy systems tell of them, and the tokens by which they may."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0050"


def upgrade() -> None:
    op.create_table(
        "deploy_tokens",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rollouts",
        sa.Column("told_by", sa.Text, primary_key=True),
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("services", sa.Text, nullable=False),
        sa.Column("nodes", sa.Text, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("told_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_rollouts_started", "rollouts", ["started"])
