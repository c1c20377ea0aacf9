"""When everyone was told once more to make connections anew in a change of root."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    op.add_column("root_changes", sa.Column("remade_again", sa.BigInteger))
