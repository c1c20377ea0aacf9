"""A failed handshake as a node reports it: what its proxy wrote, and what its agent had given that proxy by then.

Digests and names here are our own; all else was written by a peer (see `handshake.failure`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from trustplane.fault import Refused
from trustplane.handshake.failure import Failure, Side
from trustplane.spiffe.names import ServiceName

MOST_TIMES = 1 << 53
_DIGEST = re.compile(r"[0-9A-Za-z._:/-]{0,128}")


def digest_or_none(text: str) -> str:
    """As a server named it, if it can be kept: one of another version must not end the agent that is told of it."""
    return text if _DIGEST.fullmatch(text) else ""


@dataclass(frozen=True, slots=True)
class Held:
    """`bundle` and `configuration` are digests of what the agent held for that sidecar when it heard of the failure,
    `revision` the trust repository's, `rollout` the newest order to make connections anew."""

    bundle: str = ""
    configuration: str = ""
    revision: int = 0
    rollout: str = ""

    def __post_init__(self) -> None:
        for one in (self.bundle, self.configuration, self.rollout):
            if not _DIGEST.fullmatch(one):
                raise _refused(f"{one!r:.100} is no digest", "it is at most 128 characters of hex and the like")
        if not 0 <= self.revision <= MOST_TIMES:
            raise _refused(f"{self.revision} is no revision", f"revisions are 0 to {MOST_TIMES}")


NOTHING_HELD = Held()


@dataclass(frozen=True, slots=True)
class Reported:
    """`service` is whose sidecar wrote it. It has a side and a time, else two could not be joined."""

    service: ServiceName
    failure: Failure
    held: Held = NOTHING_HELD

    def __post_init__(self) -> None:
        if self.failure.at is None or self.failure.at.tzinfo is None or self.failure.side is None:
            raise _refused("a failed handshake without side or instant", "a proxy knows both")
        if not 0 < self.failure.times <= MOST_TIMES:
            raise _refused(f"a failure {self.failure.times} times", f"it is 1 to {MOST_TIMES}")

    @property
    def at(self) -> datetime:
        if self.failure.at is None:
            raise AssertionError  # see above
        return self.failure.at

    @property
    def side(self) -> Side:
        if self.failure.side is None:
            raise AssertionError  # see above
        return self.failure.side


def _refused(what: str, why: str) -> Refused:
    return Refused(
        code="bad-failure",
        what=what,
        why=why,
        fix="a proxy's log is read by the agent of its own version; report this with both versions",
    )
