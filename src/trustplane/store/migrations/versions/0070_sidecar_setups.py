"""What each sidecar was since when: builds, bundle, revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0065"


def upgrade() -> None:
    op.create_table(
        "sidecar_setups",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("node", "service")),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("envoy", "agent", "bundle")),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_sidecar_setups_at", "sidecar_setups", ["at"])
