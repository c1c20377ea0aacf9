"""What the audit log says of deploy systems: their tokens, and the rollouts they told of."""

from __future__ import annotations

from datetime import datetime

from trustplane.audit.events import MAX_TEXT, canonical


def deploy_token(step: str, name: str, by: str, at: datetime) -> bytes:
    """`step` is create or revoke, and is about to be done. Never the token itself."""
    return canonical("deploy-token-intent", at, {"step": step, "name": name, "by": by[:MAX_TEXT]})


def rollout_told(told_by: str, reference: str, version: str, at: datetime) -> bytes:
    return canonical("rollout-told", at, {"by": told_by, "reference": reference, "version": version})
