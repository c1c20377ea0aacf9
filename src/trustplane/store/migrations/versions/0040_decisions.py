"""What proxies decided, counted by the hour, and how far each node's parcels were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0033"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("callee", "caller", "method", "path")),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("is_folded", "is_plain")),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("is_allowed", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("rule", "candidate")),
        sa.Column("would_allow", sa.Boolean, nullable=False),
        sa.Column("would_rule", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("count", "first", "last")),
        sa.Column("sample", sa.Text, nullable=False),
    )
    op.create_index("decisions_by_callee", "decisions", ["callee", "hour"])
    op.create_table(
        "decision_streams",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("number", "at", "dropped", "folded")),
    )
