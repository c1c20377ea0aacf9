"""Changes of root: how far each is, and whom it was told not to wait for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "root_changes",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("leaving", sa.Text, nullable=False),
        sa.Column("coming", sa.Text),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("is_emergency", sa.Boolean, nullable=False),
        sa.Column("is_paused", sa.Boolean, nullable=False),
        sa.Column("is_going_back", sa.Boolean, nullable=False),
        sa.Column("replaced_at", sa.BigInteger),
        sa.Column("last_leaf", sa.BigInteger),
    )
    op.create_table(
        "root_change_waivers",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("participant", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
