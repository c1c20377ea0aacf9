"""Which agents are connected to which server, shared by all servers of a database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "server_lives",
        sa.Column("server", sa.Text, primary_key=True),
        sa.Column("life", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "agent_presence",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("life", sa.Text, nullable=False),
        sa.Column("is_connected", sa.Boolean, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
