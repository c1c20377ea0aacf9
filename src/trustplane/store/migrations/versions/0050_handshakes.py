"""Failed handshakes whole, all handshakes counted by the hour, and how far each node's parcels of them were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0047"

_PARTS = ("service", "node", "side", "signature", "cause", "rejecter", "peer", "issuer", "own_issuer", "build", "tls")


def upgrade() -> None:
    op.create_table(
        "handshake_failures",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.LargeBinary(16), nullable=False),
        sa.Column("connection", sa.LargeBinary(8), nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_handshake_failures_at", "handshake_failures", ["at"])
    op.create_index("ix_handshake_failures_kind_at", "handshake_failures", ["kind", "at"])
    op.create_index("ix_handshake_failures_connection", "handshake_failures", ["connection"])
    op.create_table(
        "handshake_hours",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.LargeBinary(16), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*_PARTS, "bundle")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("revision", "count", "kept", "first", "last")),
    )
    op.create_index("ix_handshake_hours_service_hour", "handshake_hours", ["service", "hour"])
    op.create_table(
        "handshakes_completed",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("node", "service", "side")),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "handshake_streams",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("number", "at", "dropped", "folded")),
    )
