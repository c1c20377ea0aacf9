"""The tables of handshakes as the queries know them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from trustplane.store.columns import Instant, RowId
from trustplane.store.tables import metadata

# Records whole. `kind` is one of handshake_hours, `connection` a digest of the client's address. Records that were not
# kept whole are counted in the `times` of one like them, so the times of all add up to the counts of the hours.
handshake_failures = Table(
    "handshake_failures",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", LargeBinary(16), nullable=False),
    Column("connection", LargeBinary(8), nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),  # JSON object, `handshake.record_shape`
    Index("ix_handshake_failures_at", "at"),
    Index("ix_handshake_failures_kind_at", "kind", "at"),
    Index("ix_handshake_failures_connection", "connection"),
)

# `kept`: how many of them are records. In the parts of a kind, empty text is not known.
handshake_hours = Table(
    "handshake_hours",
    metadata,
    Column("hour", Instant, primary_key=True),
    Column("kind", LargeBinary(16), primary_key=True),
    Column("service", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("rejecter", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("own_issuer", Text, nullable=False),
    Column("build", Text, nullable=False),
    Column("tls", Text, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("first", Instant, nullable=False),
    Column("last", Instant, nullable=False),
    Index("ix_handshake_hours_service_hour", "service", "hour"),
)

handshakes_completed = Table(
    "handshakes_completed",
    metadata,
    Column("hour", Instant, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# From `at` on, until the next of the same sidecar.
sidecar_setups = Table(
    "sidecar_setups",
    metadata,
    Column("node", Text, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("envoy", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("ix_sidecar_setups_at", "at"),
)

handshake_streams = Table(
    "handshake_streams",
    metadata,
    Column("node", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("folded", BigInteger, nullable=False),
)
