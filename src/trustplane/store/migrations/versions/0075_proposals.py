"""Acts that one person proposes and another approves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0070"


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "terms", "state", "words", "plan", "digest")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("by", "by_subject", "why")),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_subject", sa.Text, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("carrier", sa.Text, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("is_glass_broken", sa.Boolean, nullable=False),
    )
    op.create_index("ix_proposals_phase", "proposals", ["phase"])
