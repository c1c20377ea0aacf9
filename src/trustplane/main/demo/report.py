"""What a demo run comes to: one object of measured numbers, and the verdict on them."""

from __future__ import annotations

import time
from datetime import datetime

import msgspec

from trustplane.main.demo.log import Tally
from trustplane.main.demo.traffic import Counts
from trustplane.wire.http_shapes import AgentEntryShape, AgentStatusShape


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`requests` and `rps` count what customers and the owner asked; `mesh_requests` what sidecars took over mTLS."""

    requests: int
    failed: int
    renewals: int
    rps: float
    services: int
    sidecars: int
    seconds: float
    seconds_to_first_request: float
    all_mtls: bool
    renewals_per_service: dict[str, int]
    refused_as_expected: int
    mesh_requests: int
    edges: dict[str, int]
    failed_handshakes: int
    failures: tuple[str, ...]

    @property
    def went_well(self) -> bool:
        return self.failed == 0 and self.requests > 0 and self.refused_as_expected > 0 and self.all_mtls


class Renewals:
    """Serial numbers as the agent shows them; each new one after the first is a renewal."""

    def __init__(self) -> None:
        self.latest: AgentStatusShape | None = None
        self._serials: dict[str, list[str]] = {}

    def look(self, status: AgentStatusShape) -> list[AgentEntryShape]:
        """The entries renewed since the last look."""
        self.latest = status
        renewed = []
        for entry in status.entries:
            seen = self._serials.setdefault(entry.service, [])
            if entry.serial and entry.serial not in seen[-1:]:
                seen.append(entry.serial)
                renewed += [entry] if len(seen) > 1 else []
        return renewed

    @property
    def per_service(self) -> dict[str, int]:
        return {service: max(0, len(serials) - 1) for service, serials in sorted(self._serials.items())}

    def expires_in(self, entry: AgentEntryShape) -> float | None:
        now: datetime | None = self.latest.now if self.latest else None
        return (entry.not_after - now).total_seconds() if entry.not_after and now else None


def report(started: float, counts: Counts, tally: Tally, renewals: Renewals, services: int) -> Report:
    ended = time.monotonic()
    began = counts.began_at or ended
    served = max(ended - began, 0.001)
    return Report(
        requests=counts.requests,
        failed=counts.failed,
        renewals=sum(renewals.per_service.values()),
        rps=round((counts.requests - counts.failed) / served, 1),
        services=services,
        sidecars=len(renewals.latest.sidecars) if renewals.latest else 0,
        seconds=round(served, 1) if counts.began_at else 0.0,
        seconds_to_first_request=round((counts.first_at or ended) - started, 2),
        all_mtls=tally.all_mtls,
        renewals_per_service=renewals.per_service,
        refused_as_expected=counts.refused,
        mesh_requests=tally.inbound,
        edges={
            f"{_short(caller)} -> {_short(callee)}": count for (caller, callee), count in sorted(tally.edges.items())
        },
        failed_handshakes=tally.handshakes_failed,
        failures=tuple(counts.failures),
    )


def _short(spiffe_id: str) -> str:
    return spiffe_id.rpartition("/")[2]
