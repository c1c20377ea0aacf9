"""Alembic's entry point: migrate over the connection that `store.schema` opened and holds the lock on."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
