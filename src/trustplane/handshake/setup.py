"""What a sidecar was at some time: the builds of its Envoy and of its agent, the bundle and the revision it had.

An agent tells it when it changes and not otherwise, so what was told last holds until something else is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from trustplane.fault import Refused
from trustplane.handshake.reported import MOST_TIMES
from trustplane.spiffe.names import NodeName, ServiceName

_BUILD = re.compile(r"[0-9A-Za-z.+_-]{0,64}")
_DIGEST = re.compile(r"[0-9A-Za-z._:/-]{0,128}")


@dataclass(frozen=True, slots=True, order=True)
class Setup:
    """`bundle` is the digest of its own trust domain's. Empty: not known."""

    envoy: str = ""
    agent: str = ""
    bundle: str = ""
    revision: int = 0

    def __post_init__(self) -> None:
        for shape, one in ((_BUILD, self.envoy), (_BUILD, self.agent), (_DIGEST, self.bundle)):
            if not shape.fullmatch(one):
                raise _refused(f"{one!r:.100} is no build and no digest")
        if not 0 <= self.revision <= MOST_TIMES:
            raise _refused(f"{self.revision} is no revision")


@dataclass(frozen=True, slots=True)
class Became:
    """Since `at`, at the latest; nothing in between two looks of the agent is seen."""

    service: ServiceName
    at: datetime
    setup: Setup

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise _refused(f"{self.at} has no zone")


@dataclass(frozen=True, slots=True)
class StoredSetup:
    node: NodeName
    became: Became


def _refused(what: str) -> Refused:
    return Refused(
        code="bad-setup",
        what=what,
        why="builds and digests are short and of letters, digits and dots; revisions are numbers, instants have zones",
        fix="report this with the versions of agent and server",
    )
