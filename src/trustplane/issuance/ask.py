"""Who asks for which identity, for which key. Nothing is granted yet."""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.issuance.csr import Csr
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName


@dataclass(frozen=True, slots=True)
class Ask:
    node: NodeName
    spiffe_id: SpiffeId
    csr: Csr
