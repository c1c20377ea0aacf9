"""How many entries of failures each proxy's process wrote for its agent, and how many of them are accounted for: they
came, or were told as lost.

What a process had counted and did not come is a gap. One look may find entries on their way, so as many are lost as two
looks in a row both miss. Entries that come between the counting and the looking hide as many that were lost; they are
found at a look that sees fewer come. So never more are told as lost than were, whatever happens between the looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from trustplane.spiffe.names import ServiceName

MOST_LOST = 10_000_000  # at one look: a process may say any figure of itself


@dataclass(frozen=True, slots=True)
class Accounted:
    """`process` names it beyond any restart of the agent."""

    process: str
    entries: int = 0


class Entries:
    def __init__(self, kept: Mapping[ServiceName, Accounted] | None) -> None:
        """`kept`: as the agent before this one left it. Without it nobody knows what was taken so far."""
        self._of = dict(kept or {})
        self._gaps: dict[ServiceName, tuple[Accounted, int]] = {}
        self._early: dict[ServiceName, int] = {}
        self._is_first = kept is None

    @property
    def accounted(self) -> Mapping[ServiceName, Accounted]:
        early = self._early
        return {service: replace(one, entries=one.entries + early.get(service, 0)) for service, one in self._of.items()}

    def came(self, service: ServiceName, process: str | None) -> None:
        """Nobody knows its process yet when an entry comes before the proxy has asked for its configuration."""
        if process is None:
            self._early[service] = self._early.get(service, 0) + 1
        else:
            self._add(service, process, 1)

    def looked(self, counted: Mapping[ServiceName, Accounted]) -> int:
        """`counted` by the processes themselves, a moment ago. Answers how many were lost."""
        if self._is_first:
            self._of.update(counted)
            self._is_first = False
        return sum(self._lost(service, one) for service, one in counted.items())

    def _lost(self, service: ServiceName, counted: Accounted) -> int:
        before, gap = self._gaps.get(service, (Accounted(""), 0))
        if before.process == counted.process and counted.entries < before.entries:
            self._of[service] = Accounted(counted.process)  # its listeners were taken away, and it counts from nothing
        self._add(service, counted.process, 0)
        missing = counted.entries - self._of[service].entries
        lost = min(missing, gap, MOST_LOST) if before.process == counted.process else 0
        if lost > 0:
            self._add(service, counted.process, lost)
        self._gaps[service] = (counted, missing - max(lost, 0))
        return max(lost, 0)

    def _add(self, service: ServiceName, process: str, count: int) -> None:
        known = self._of.get(service)
        before = known.entries if known is not None and known.process == process else 0
        self._of[service] = Accounted(process, before + count + self._early.pop(service, 0))
