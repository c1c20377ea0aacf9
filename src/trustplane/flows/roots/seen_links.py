"""Which issuer each peer of this node's sidecars shows, as far as the sidecars' access logs tell: one row for a link.

A link is a caller, a callee and whose certificate was seen. A row is told to the server when it begins to be seen and
when it has not been for a while, never for each request. What is not seen proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.node.follow_server import Outbox
from trustplane.registry.links import QUIET, SEEN, Side, name_of, thing_of
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName

STEP = timedelta(seconds=5)
QUIET_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(hours=1)
MOST_LINKS = 1000
MOST_NAME = 400
# As Envoy writes a distinguished name (RFC 2253); an authority's is its certificate's serial number.
_SERIAL = re.compile(r"(?:^|(?<!\\),)(?:serialNumber|SERIALNUMBER|2\.5\.4\.5)=([0-9a-f]{1,64})(?:,|$)")


@dataclass(slots=True)
class _Row:
    first: datetime
    last: datetime
    count: int = 1
    is_seen: bool = True


class SeenLinks:
    """Satisfies `wire.access_logs.Sightings`."""

    def __init__(
        self, node: NodeName, outbox: Outbox, own: Callable[[ServiceName], SpiffeId | None], clock: Clock
    ) -> None:
        """`own` is the ID of a sidecar of this node."""
        self._node = node
        self._outbox = outbox
        self._own = own
        self._clock = clock
        self._rows: dict[tuple[str, str], _Row] = {}  # by a link's name and thing
        self._log = structlog.get_logger("links")
        self.seen_requests = 0
        self.untold = 0  # sightings of links beyond those that are kept

    @property
    def links(self) -> int:
        return len(self._rows)

    def seen(self, service: ServiceName, side: Side, peer: str, issuer: str, times: int = 1) -> None:
        """`peer` and `issuer` as the proxy wrote them of a certificate it accepted."""
        self.seen_requests += times
        own, serial = self._own(service), _SERIAL.search(issuer)
        if own is None or serial is None:
            return
        try:
            other = SpiffeId.parse(peer)
        except Refused:
            return
        if other.trust_domain != own.trust_domain:
            return  # its issuers are not ours to know, and write what they like into their names
        caller, callee = (other, own) if side is Side.CALLER else (own, other)
        key = (name_of(caller, callee), thing_of(side, serial[1]))
        row, at = self._rows.get(key), self._clock.now()
        if row is not None:
            row.last, row.count = at, row.count + times
            if not row.is_seen:
                row.is_seen = True
                self._tell(key, row)
        elif len(self._rows) < MOST_LINKS and len(key[0]) <= MOST_NAME:
            self._rows[key] = _Row(at, at, times)
            self._tell(key, self._rows[key])
        else:
            if not self.untold:
                self._log.warning("more links than are told of", most=MOST_LINKS)
            self.untold += times

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            self.look()

    def look(self) -> None:
        """Tell of those that are not seen any more."""
        at = self._clock.now()
        for key, row in list(self._rows.items()):
            if at - row.last >= FORGOTTEN_AFTER:
                del self._rows[key]
                self._let_go(key)
            elif row.is_seen and at - row.last >= QUIET_AFTER:
                row.is_seen = False
                self._tell(key, row)

    def _tell(self, key: tuple[str, str], row: _Row) -> None:
        state = SEEN if row.is_seen else QUIET
        self._outbox.hold(Holding(self._node, *key, state, state, "", row.last))

    def _let_go(self, gone: tuple[str, str]) -> None:
        """Participants are forgotten whole: what else is known of that link is told again."""
        self._outbox.forget(gone[0])
        for key, row in self._rows.items():
            if key[0] == gone[0]:
                self._tell(key, row)
