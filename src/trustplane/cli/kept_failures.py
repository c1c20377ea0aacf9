"""Failed handshakes that a server keeps, as `trustplane diagnose` asks for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from trustplane.cli import admin
from trustplane.cli.output import note
from trustplane.flows.records.diagnose import Found
from trustplane.handshake.groups import grouped
from trustplane.handshake.known import Known
from trustplane.handshake.record_shape import failure_in
from trustplane.wire.http_handshakes import HandshakesShape
from trustplane.wire.http_issuer import issuer_of


@dataclass(frozen=True, slots=True)
class Asked:
    """`ago` is by the server's clock; with an instant to begin with, it does not count."""

    ago: timedelta
    begins: datetime | None
    ends: datetime | None


def ask(socket: Path, asked: Asked, known: Known) -> Found:
    """Joined and grouped here, with what is shown here. What is not whole is said on standard error."""
    query: dict[str, str | int] = {"seconds": max(1, int(asked.ago.total_seconds()))}
    query |= {"from": asked.begins.isoformat()} if asked.begins else {}
    query |= {"to": asked.ends.isoformat()} if asked.ends else {}
    shape = admin.server(socket).get("/v1/handshakes", HandshakesShape, **query)
    for loss in shape.losses:
        if loss.dropped:
            note(
                f"note: {loss.node} has no record of {loss.dropped} failures: its agent was away, its disk was "
                "full, or there were too many"
            )
    if not shape.whole:
        note(
            f"note: there are {shape.failures} records from {shape.since:%Y-%m-%d %H:%MZ} to {shape.until:%H:%MZ}; "
            f"the newest of each kind, {len(shape.records)} in all, were looked at and stand for the others"
        )
    if shape.left_out:
        note(f"note: {shape.left_out} are of kinds that were not looked at; ask for a shorter time")
    known = replace(known, issuer=issuer_of(shape.issuer))
    groups = grouped(map(failure_in, shape.records), known)
    return Found(groups, shape.failures, shape.left_out)
