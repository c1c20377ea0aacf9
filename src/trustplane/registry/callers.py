"""Who may call a service without a policy, and what: as nodes are told it."""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.registry.model import Operation
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.patterns import IdPattern


@dataclass(frozen=True, slots=True)
class Caller:
    """A declared caller and the operations it may use (empty: all)."""

    spiffe_id: SpiffeId
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class ForeignGrant:
    """Who of another trust domain may call, and the operations they may use (empty: all)."""

    pattern: IdPattern
    operations: tuple[Operation, ...]
