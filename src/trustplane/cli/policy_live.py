"""Which sidecars do not enforce what they should, as agents tell the server: refused, too old, or not yet told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trustplane.cli import admin
from trustplane.wire.http_shapes import HoldingShape, HoldingsShape

# Where a proxy's rules are: the filters in the listener, and what they decide by in the route.
_RULES = ("listener/inbound", "route/inbound")
PAGE = 500


@dataclass(frozen=True, slots=True)
class NotEnforcing:
    """What it was given before stays in force; if that is nothing, it lets nobody in. `why` is its refusal, if any."""

    participant: str
    node: str
    state: str
    why: str

    def __str__(self) -> str:
        return f"{self.participant} on {self.node} has not taken its rules ({self.state}){self.why and f': {self.why}'}"


def not_enforcing(server_socket: Path) -> tuple[NotEnforcing, ...]:
    """One for each sidecar, by name."""
    found: dict[tuple[str, str], HoldingShape] = {}
    for one in _differing(admin.server(server_socket)):
        if one.thing in _RULES:
            known = found.setdefault((one.participant, one.node), one)
            if one.refusal and not known.refusal:
                found[one.participant, one.node] = one
    return tuple(NotEnforcing(one.participant, one.node, one.state, one.refusal) for _, one in sorted(found.items()))


def _differing(server: admin.Admin) -> Iterator[HoldingShape]:
    after = ""
    while True:
        page = server.get("/v1/holdings", HoldingsShape, differing=1, limit=PAGE, **({"after": after} if after else {}))
        yield from page.holdings
        if page.next is None:
            return
        after = page.next
