"""Accounts of people whom an OpenID provider vouches for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0055"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("subject", sa.Text, nullable=False, server_default=""))
