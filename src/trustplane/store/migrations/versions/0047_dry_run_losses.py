"""What nodes had failed to count before a dry run began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    op.add_column("dry_runs", sa.Column("lost_before", sa.LargeBinary))
