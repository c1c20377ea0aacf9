"""Proposals: acts that one person proposes and another approves."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text

from trustplane.store.columns import Instant
from trustplane.store.tables import metadata

proposals = Table(
    "proposals",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("terms", Text, nullable=False),  # JSON object
    Column("state", Text, nullable=False),  # JSON object: what it was judged against
    Column("words", Text, nullable=False),  # JSON array
    Column("plan", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("by_subject", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("phase", Text, nullable=False, index=True),
    Column("decided_by", Text),
    Column("decided_subject", Text, nullable=False),
    Column("decided_at", Instant),
    Column("word", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("ended_at", Instant),
    Column("told", Text, nullable=False),
    Column("is_glass_broken", Boolean, nullable=False),
)
