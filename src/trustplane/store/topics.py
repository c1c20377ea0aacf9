"""What may change under those who keep a copy."""

from __future__ import annotations

from enum import Enum


class Topic(Enum):
    REVISION = "revision"
    AUTHORITIES = "authorities"
    AGENTS = "agents"
    HOSTING = "hosting"
    REVOCATIONS = "revocations"
    ROOT_CHANGES = "root-changes"
    FEDERATION = "federation"
    DRY_RUNS = "dry-runs"
    PROPOSALS = "proposals"
