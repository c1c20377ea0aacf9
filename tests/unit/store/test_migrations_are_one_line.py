"""Migrations follow each other in one line: two that follow the same one would keep every server from starting."""

from __future__ import annotations

from alembic.config import Config
from alembic.script import ScriptDirectory


def test_there_is_one_newest_migration_and_each_follows_another() -> None:
    config = Config()
    config.set_main_option("script_location", "trustplane.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == 1
    line = list(scripts.walk_revisions())
    assert [one.down_revision for one in line[:-1]] == [one.revision for one in line[1:]]
