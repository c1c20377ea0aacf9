"""What a service offers, as a node's proxies are told it: the names that a log gives to requests.

Nobody is let in by it, and it is no part of a view's digest: to an agent that does not know of it, its view is whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.registry.model import Operation
from trustplane.spiffe.names import ServiceName


@dataclass(frozen=True, slots=True)
class Offered:
    service: ServiceName
    operations: tuple[Operation, ...]
