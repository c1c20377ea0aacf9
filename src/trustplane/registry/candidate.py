"""A candidate: rules that are tried on live traffic beside those that are enforced, and enforce nothing.

`Tried.digest` names what one service's requests are judged by, so that a proxy's acknowledgement says exactly that.
A candidate is no part of a view's digest: to a node that does not know of candidates its view stays as it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from trustplane.fault import Broken
from trustplane.registry.callers import Caller, ForeignGrant
from trustplane.registry.model import Operation, Probe
from trustplane.spiffe.names import ServiceName

_ID = re.compile(r"[1-9][0-9]{0,15}-[0-9a-f]{8}")
DIGEST_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Tried:
    """Who could ask what of one service; as in a `Sidecar`, `policy` decides alone where there is one."""

    service: ServiceName
    policy: bytes = b""
    callers: tuple[Caller, ...] = ()
    probes: tuple[Probe, ...] = ()
    foreign_callers: tuple[ForeignGrant, ...] = ()

    @property
    def digest(self) -> str:
        content = (
            self.policy,
            [(str(one.spiffe_id), _requests(one.operations)) for one in self.callers],
            [(one.method, one.path) for one in self.probes],
            [(str(one.pattern), _requests(one.operations)) for one in self.foreign_callers],
        )
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:DIGEST_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sorted by service. Without an ID none runs. After `ends_at` nobody judges by it, whoever can be reached then."""

    id: str = ""
    ends_at: datetime | None = None
    tried: tuple[Tried, ...] = ()

    def __post_init__(self) -> None:
        services = [one.service for one in self.tried]
        named = bool(_ID.fullmatch(self.id)) and self.ends_at is not None and self.ends_at.tzinfo is not None
        empty = not self.id and not self.tried and self.ends_at is None
        if services != sorted(set(services)) or not (named or empty):
            raise Broken(
                code="candidate-malformed",
                what=f"the candidate {self.id!r:.60} has no ID, no end, or its services are not sorted",
                why="proxies and logs know a candidate by its ID, and it must end by itself",
                fix="report this with the versions of server and agent",
            )

    def known_as(self, tried: Tried) -> str:
        """What a proxy that judges by it is said to hold."""
        return f"{self.id}/{tried.digest}"

    def about(self, service: ServiceName) -> Tried | None:
        return next((one for one in self.tried if one.service == service), None)

    def only(self, services: Collection[ServiceName]) -> Candidate:
        """What a node is told that may host these."""
        return replace(self, tried=tuple(one for one in self.tried if one.service in services))

    def at(self, now: datetime) -> Candidate:
        return self if self.ends_at is None or now < self.ends_at else NO_CANDIDATE


NO_CANDIDATE = Candidate()


def _requests(operations: Collection[Operation]) -> list[tuple[str, str, str]]:
    return [(one.name, one.method, one.path) for one in operations]
