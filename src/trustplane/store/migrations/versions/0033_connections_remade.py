"""When everyone was told to make connections anew in a change of root."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.add_column("root_changes", sa.Column("remade_from", sa.BigInteger))
