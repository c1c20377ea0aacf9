"""What a simulated run is judged by: signatures by slot, expiries, the queue, and how much life the fleet has left."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from datetime import timedelta

from trustplane.flows.simulation.scenario import Scenario
from trustplane.rotation.slots import SLOT

BANDS = (0.0, 0.25, 0.5, 0.75)  # of a lifetime; a leaf is in the highest it is above
SETTLED, WATCHED = 1, 6  # lifetimes after the last restart between which the load is judged


@dataclass(frozen=True, slots=True)
class Endured:
    """One outage: how long it could have been, told when it began, and how long it was."""

    at: timedelta
    length: timedelta
    budget: timedelta


@dataclass(frozen=True, slots=True)
class Remaining:
    """Of the sampled workloads, the shares without a leaf and in each of `BANDS`, and the least life left of all."""

    at: timedelta
    shares: tuple[float, ...]
    least: timedelta


@dataclass(slots=True)
class Figures:
    """Counted while the run goes on. Arrays have one place for each slot of the run."""

    scenario: Scenario
    signed: array[int] = field(init=False)
    queued: array[int] = field(init=False)
    expiries: array[int] = field(init=False)
    questions: int = 0
    shed: int = 0
    expired: int = 0
    first_expiry: timedelta | None = None
    longest_without: timedelta = timedelta(0)
    endured: list[Endured] = field(default_factory=list)
    remaining: list[Remaining] = field(default_factory=list)
    # The slot of the last signature: the next one is nearly always in it too.
    _slot: int = field(default=0, init=False, repr=False)
    _begins: timedelta = field(default=timedelta(0), init=False, repr=False)
    _ends: timedelta = field(default=SLOT, init=False, repr=False)

    def __post_init__(self) -> None:
        slots = -(-self.scenario.length // SLOT)
        self.signed, self.queued, self.expiries = (array("L", bytes(8 * slots)) for _ in range(3))

    @property
    def renewals(self) -> int:
        return sum(self.signed)

    def note_signature(self, at: timedelta) -> None:
        if not self._begins <= at < self._ends:
            self._slot = at // SLOT
            self._begins, self._ends = self._slot * SLOT, (self._slot + 1) * SLOT
        self.signed[self._slot] += 1

    def note_queue(self, at: timedelta, standing: int) -> None:
        slot = at // SLOT
        self.queued[slot] = max(self.queued[slot], standing)

    def note_lack(self, without: timedelta) -> None:
        """One workload was without a leaf for so long."""
        self.longest_without = max(self.longest_without, without)

    def note_expiry(self, at: timedelta, without: timedelta) -> None:
        """One workload's leaf expired, and it was without one for so long."""
        self.expired += 1
        self.note_lack(without)
        if self.first_expiry is None or at < self.first_expiry:
            self.first_expiry = at
        slot = at // SLOT
        if 0 <= slot < len(self.expiries):
            self.expiries[slot] += 1

    @property
    def peak_to_mean(self) -> float:
        """The busiest slot over the mean slot, one to six lifetimes after the last restart; else of the whole run."""
        first, last = 0, len(self.signed)
        if self.scenario.restarts:
            restarted = max(one.at for one in self.scenario.restarts)
            lifetime = self.scenario.lifetime
            first = (restarted + SETTLED * lifetime) // SLOT
            last = min(last, (restarted + WATCHED * lifetime) // SLOT)
        watched = self.signed[first:last]
        total = sum(watched)
        return max(watched) * len(watched) / total if total else 0.0
