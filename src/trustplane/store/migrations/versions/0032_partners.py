"""What other trust domains have shown of their uptake; since when a new root is in the bundles, an old one not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.create_table(
        "partner_statements",
        sa.Column("trust_domain", sa.Text, primary_key=True),
        sa.Column("about", sa.Text),
        sa.Column("sequence", sa.Text),
        sa.Column("digest", sa.Text),
        sa.Column("x509_digest", sa.Text),
        sa.Column("behind", sa.BigInteger),
        sa.Column("issued_at", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("since", sa.BigInteger),
        sa.Column("asked_at", sa.BigInteger),
        sa.Column("failure", sa.Text),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("is_silent", sa.Boolean, nullable=False),
    )
    op.add_column("root_changes", sa.Column("published_at", sa.BigInteger))
    op.add_column("root_changes", sa.Column("left_at", sa.BigInteger))
