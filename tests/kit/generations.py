"""Where an agent remembers generations of connections, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trustplane.spiffe.names import ServiceName


@dataclass
class Generations:
    """Satisfies `flows.node.offer_configuration.Memory`."""

    kept: Mapping[ServiceName, tuple[str, ...]] = field(default_factory=dict)

    def load(self) -> Mapping[ServiceName, tuple[str, ...]]:
        return self.kept

    def save(self, generations: Mapping[ServiceName, tuple[str, ...]]) -> None:
        self.kept = {one: some for one, some in generations.items() if some}
