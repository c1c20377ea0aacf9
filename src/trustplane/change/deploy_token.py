"""The right of one deploy system to tell of its rollouts, and to do nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trustplane.fault import Refused

PREFIX = "tpd_"
MAX_LIFE = timedelta(days=400)
MOST_TOKENS = 200

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class DeployToken:
    """Only the SHA-256 of its text is kept."""

    name: str
    token_sha256: bytes = field(repr=False)
    created_by: str
    created_at: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Refused(
                code="bad-name",
                what=f"{self.name!r:.100} is not the name of a deploy system",
                why="names are 1 to 63 lower-case letters, digits and inner dashes",
                fix="choose a name such as github or argo-cd",
            )
        if not timedelta(0) < self.expires_at - self.created_at <= MAX_LIFE:
            raise Refused(
                code="bad-token-life",
                what=f"a token of {self.expires_at - self.created_at} is not made",
                why=f"a token lives for at most {MAX_LIFE.days} days",
                fix="give for example --expires 90d",
            )


def token_exists(name: str) -> Refused:
    return Refused(
        code="deploy-token-exists",
        what=f"there is a token for {name} already",
        why="one deploy system has one token, so that it is clear which to take back",
        fix=f"trustplane rollouts token revoke {name}, then make another",
    )


def token_unknown(name: str) -> Refused:
    return Refused(
        code="deploy-token-unknown",
        what=f"there is no token for {name!r:.80}",
        why="none was made, or it was taken back",
        fix="trustplane rollouts token list",
    )


def too_many_tokens() -> Refused:
    return Refused(
        code="too-many-deploy-tokens",
        what=f"there are {MOST_TOKENS} tokens already",
        why="each is a right that somebody has to keep safe",
        fix="take back those that nobody uses: trustplane rollouts token list",
    )
