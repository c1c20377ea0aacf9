"""Dry runs of candidate repositories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.create_table(
        "dry_runs",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("files", sa.LargeBinary, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("against", sa.BigInteger, nullable=False),
        sa.Column("ended_how", sa.Text),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("ended_by", sa.Text),
    )
