"""The tables as the queries know them. What really exists is made by `migrations`; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from trustplane.store.columns import Instant, RowId, Serial

metadata = MetaData()

revisions = Table(
    "revisions",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("files", LargeBinary, nullable=False),  # JSON object: path -> text
    Column("applied_by", Text, nullable=False),
    Column("applied_at", Instant, nullable=False),
    Column("restored_from", BigInteger, ForeignKey("revisions.number")),
)

join_tokens = Table(
    "join_tokens",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    Column("node", Text, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("spent_at", Instant),
)

agents = Table(
    "agents",
    metadata,
    Column("node", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("enrolled_at", Instant, nullable=False),
    Column("serial", Serial, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("banned", Boolean, nullable=False),
)

hosting = Table(
    "hosting",
    metadata,
    Column("node", Text, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("since", Instant, nullable=False),
)

holdings = Table(
    "holdings",
    metadata,
    Column("node", Text, primary_key=True),
    Column("participant", Text, primary_key=True),
    Column("thing", Text, primary_key=True),
    Column("desired", Text, nullable=False),
    Column("held", Text, nullable=False),
    Column("refusal", Text, nullable=False),
    Column("since", Instant, nullable=False),
)

# Rows lie in the order they were written: with random serial numbers as the key, every insert would touch another page.
certificates = Table(
    "certificates",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("serial", Serial, nullable=False),
    Column("spiffe_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("renew_at", Instant, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    UniqueConstraint("serial", name="uq_certificates_serial"),
    Index("ix_certificates_spiffe_id_issued_at", "spiffe_id", "issued_at"),
    Index("ix_certificates_not_after", "not_after"),
)

authorities = Table(
    "authorities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_since", Instant),  # none: in the state it was made in
    Column("trust_domain", Text, nullable=False),
    Column("owner", Text),
    Column("public_key", LargeBinary, nullable=False),  # DER, SubjectPublicKeyInfo
    Column("certificate", LargeBinary),  # DER
    Column("parent", Text),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("sealed_key", LargeBinary, nullable=False),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("index", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
)

# One row. Whoever appends locks it first, so that the log stays one chain however many replicas write.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),  # hashes of 32 bytes, the largest subtree's first
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("size", BigInteger, nullable=False, index=True),
    Column("note", Text, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Instant, nullable=False),
)

# One row, shared by all replicas.
bundle_sequence = Table(
    "bundle_sequence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("content_digest", Text, nullable=False),
)

# `subject` is a serial number of 32 hexadecimal digits, a SPIFFE ID or an authority.
revocations = Table(
    "revocations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("spiffe_id", Text),
    Column("authority", Text),
    Column("sha256", Text),
    Column("not_after", Instant),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("cut_at", Instant),
    Column("lifted_at", Instant),
)

crls = Table(
    "crls",
    metadata,
    Column("authority", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("signed_at", Instant, nullable=False),
    Column("next_update", Instant, nullable=False),
    Column("listing", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

root_changes = Table(
    "root_changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("leaving", Text, nullable=False),
    Column("coming", Text),
    Column("phase", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_emergency", Boolean, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("is_going_back", Boolean, nullable=False),
    Column("replaced_at", Instant),
    Column("last_leaf", Instant),
    Column("published_at", Instant),
    Column("left_at", Instant),
    Column("remade_from", Instant),
    Column("remade_again", Instant),
)

root_change_waivers = Table(
    "root_change_waivers",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("participant", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
)

federated_domains = Table(
    "federated_domains",
    metadata,
    Column("trust_domain", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("document", LargeBinary),  # SPIFFE bundle, JSON
    Column("taken_at", Instant),
    Column("known_roots", Text, nullable=False),  # JSON array of SHA-256, hex
    Column("asked_at", Instant),
    Column("next_at", Instant),
    Column("failure", Text),  # JSON object: a finding
    Column("failing_since", Instant),
    Column("ended_at", Instant),
)

server_lives = Table(
    "server_lives",
    metadata,
    Column("server", Text, primary_key=True),
    Column("life", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
)

# One row for each node that ever was connected: what was last written of it.
agent_presence = Table(
    "agent_presence",
    metadata,
    Column("node", Text, primary_key=True),
    Column("server", Text, nullable=False),
    Column("life", Text, nullable=False),
    Column("is_connected", Boolean, nullable=False),
    Column("since", Instant, nullable=False),
)

partner_statements = Table(
    "partner_statements",
    metadata,
    Column("trust_domain", Text, primary_key=True),
    Column("about", Text),  # null, and all up to expires_at: it has shown none
    Column("sequence", Text),  # 64 bits without a sign
    Column("digest", Text),
    Column("x509_digest", Text),
    Column("behind", BigInteger),
    Column("issued_at", Instant),
    Column("expires_at", Instant),
    Column("since", Instant),
    Column("asked_at", Instant),
    Column("failure", Text),  # JSON object: a finding
    Column("failing_since", Instant),
    Column("is_silent", Boolean, nullable=False),
)

dry_runs = Table(
    "dry_runs",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("files", LargeBinary, nullable=False),  # JSON object: path -> text
    Column("started_by", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("against", BigInteger, nullable=False),  # the revision in force then
    Column("ended_how", Text),
    Column("ended_at", Instant),
    Column("ended_by", Text),
    Column("lost_before", LargeBinary),  # JSON object: node/stream -> requests it had lost before
)

# What proxies decided, by the hour. `kind` names all columns up to would_rule; in them, empty text is none.
decisions = Table(
    "decisions",
    metadata,
    Column("hour", Instant, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("callee", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("is_folded", Boolean, nullable=False),
    Column("is_plain", Boolean, nullable=False),
    Column("port", Integer, nullable=False),
    Column("operation", Text, nullable=False),
    Column("is_allowed", Boolean, nullable=False),
    Column("rule", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("would_allow", Boolean, nullable=False),
    Column("would_rule", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first", Instant, nullable=False),
    Column("last", Instant, nullable=False),
    Column("sample", Text, nullable=False),  # instant and request id, so that the greatest is the newest
    Index("decisions_by_callee", "callee", "hour"),
)

# How far each node's parcels were taken, and what it said it had lost.
decision_streams = Table(
    "decision_streams",
    metadata,
    Column("node", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("folded", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),  # a hash, with its cost and salt; empty: a provider's account
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("subject", Text, nullable=False, server_default=""),  # at a provider
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("started_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=False),
    Column("address", Text, nullable=False),
)

# Deploy systems, each with one token.
deploy_tokens = Table(
    "deploy_tokens",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("told_by", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("services", Text, nullable=False),  # JSON array
    Column("nodes", Text, nullable=False),  # JSON array
    Column("started", Instant, nullable=False, index=True),
    Column("ended", Instant),
    Column("told_at", Instant, nullable=False),
)
