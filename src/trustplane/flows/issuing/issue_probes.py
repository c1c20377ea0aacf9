"""Certificates for probes: below a root that has not signed yet, for nothing but a handshake that proves it trusted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.issuing.issue import Issued
from trustplane.flows.issuing.signer import Signer
from trustplane.spiffe.names import NodeName


class ProbeIssuer(Protocol):
    async def issue_probe(self, node: NodeName, csr_der: bytes, signer: Signer, at: datetime) -> Issued | Fault: ...


class IssueProbes:
    def __init__(self, issuer: ProbeIssuer, signer: Callable[[str], Awaitable[Signer]], clock: Clock) -> None:
        self._issuer = issuer
        self._signer = signer
        self._clock = clock

    async def probe(self, node: NodeName, root_key_id: str, csr: bytes) -> Issued:
        signer = await self._signer(root_key_id)
        issued = await self._issuer.issue_probe(node, csr, signer, self._clock.now())
        if isinstance(issued, Fault):
            raise issued
        return issued
