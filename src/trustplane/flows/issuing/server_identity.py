"""The server's own SVID: issued by its own issuing authority, renewed like any leaf, shown to agents and people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.feed import Feed
from trustplane.flows.issuing.issue import Issued
from trustplane.flows.node.leaf import LeafKey
from trustplane.flows.retry import Patience, asked
from trustplane.registry.model import KeyKind
from trustplane.rotation.renewal import followed
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.x509_svid import KeyedSvid

LONGEST_WAIT = timedelta(seconds=30)
LONGEST_SLEEP = timedelta(seconds=60)


class ServerIssuer(Protocol):
    async def issue_server(self, instance: NodeName, csr_der: bytes, at: datetime) -> Issued | Fault: ...


class KeepServerIdentity:
    def __init__(
        self, instance: NodeName, issuer: ServerIssuer, fresh_key: Callable[[KeyKind], LeafKey], clock: Clock
    ) -> None:
        self._instance = instance
        self._issuer = issuer
        self._fresh_key = fresh_key
        self._clock = clock
        self._renew_at: datetime | None = None
        self._log = structlog.get_logger("server-identity")
        self.identity: Feed[KeyedSvid | None] = Feed(None)

    async def obtain(self) -> KeyedSvid:
        """A fresh SVID. P-256, because an RSA one would let TLS 1.2 in (`wire.node_server`)."""
        key = self._fresh_key(KeyKind.P256)
        at = self._clock.now()
        issued = await self._issuer.issue_server(self._instance, key.csr(), at)
        if isinstance(issued, Fault):
            raise issued
        keyed = KeyedSvid(issued.svid, key.pkcs8())
        self._renew_at = followed(issued.renew_at, at, issued.not_after)
        self.identity.publish(keyed)
        return keyed

    async def renew(self) -> None:
        """Before its time."""
        await self.obtain()

    async def run(self, random: Random) -> None:
        patience = Patience(LONGEST_WAIT, random)
        while True:
            wait = (self._renew_at or self._clock.now()) - self._clock.now()
            if wait > timedelta(0):
                await self._clock.sleep(min(wait, LONGEST_SLEEP))
                continue
            try:
                await self.obtain()
                patience.start_over()
            except Fault as fault:
                self._log.warning("server SVID not renewed", code=fault.code, what=fault.finding.what)
                await self._clock.sleep(patience.next_wait(asked(fault)))
