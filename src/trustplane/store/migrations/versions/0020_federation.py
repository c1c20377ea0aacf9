"""What is known of other trust domains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "federated_domains",
        sa.Column("trust_domain", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary),
        sa.Column("taken_at", sa.BigInteger),
        sa.Column("known_roots", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("failure", sa.Text),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
    )
    # Until now the bundle was numbered by the steps of its authorities, five for each at most. From here on changes of
    # content are counted, and whoever fetched the bundle before must not see its number go back.
    op.execute("UPDATE bundle_sequence SET sequence = sequence + 5 * (SELECT COUNT(*) FROM authorities)")
