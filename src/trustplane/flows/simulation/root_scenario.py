"""A change of root that is simulated: the fleet, who is away when, and what is judged of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trustplane.fault import Refused
from trustplane.flows.simulation.figures import Figures
from trustplane.flows.simulation.scenario import Partition, Rule, Scenario
from trustplane.rotation.root_change import ParticipantKind, Phase
from trustplane.rotation.root_gates import Waiting
from trustplane.rotation.slots import SLOT
from trustplane.trust.authority import Authority

_KINDS = (ParticipantKind.AGENT, ParticipantKind.SIDECAR, ParticipantKind.WORKLOAD)
SLOTS_A_MINUTE = timedelta(minutes=1) // SLOT


@dataclass(frozen=True, slots=True)
class Asleep(Partition):
    """The agents of this share of the nodes do not run. Their sidecars go on with what they hold."""


@dataclass(frozen=True, slots=True)
class RootScenario:
    """The change begins at once. Of each node's leaves the first is its agent's, half of the others are sidecars'.

    Without gates the machine is told of nobody it would wait for: what then goes wrong is what the gates are for.
    """

    fleet: Scenario
    asleep: tuple[Asleep, ...] = ()
    has_gates: bool = True

    def __post_init__(self) -> None:
        if self.fleet.rule is not Rule.OURS:
            raise Refused(
                code="bad-scenario",
                what=f"a change of root cannot be simulated by the rule of {self.fleet.rule.value}",
                why="other products do not bring renewals forward when a root leaves",
                fix="leave out --rule",
            )

    @property
    def sidecars_a_node(self) -> int:
        return self.fleet.per_node // 2

    def kind(self, holder: int) -> ParticipantKind:
        place = holder % self.fleet.per_node
        return _KINDS[0 if place == 0 else 1 if place <= self.sidecars_a_node else 2]

    def count(self, kind: ParticipantKind) -> int:
        whole, rest = divmod(self.fleet.workloads, self.fleet.per_node)
        each = [self.kind(place) for place in range(self.fleet.per_node)]
        return whole * each.count(kind) + each[:rest].count(kind)


@dataclass(frozen=True, slots=True)
class TwoRoots:
    """The root that leaves, the one to come, and an issuing authority below each. No key takes part."""

    leaving: Authority
    leaving_issuer: Authority
    coming: Authority
    coming_issuer: Authority


@dataclass(slots=True)
class PhaseRun:
    phase: Phase
    begins: datetime
    ends: datetime


@dataclass(slots=True)
class Proofs:
    """When what a phase waits for was heard of each participant, and who was the last."""

    heard: list[datetime] = field(default_factory=list)
    last: str = ""

    def after(self, share: float, begins: datetime) -> timedelta:
        """When this share of them was there; some come before their phase does."""
        at = self.heard[min(len(self.heard) - 1, int(share * len(self.heard)))]
        return max(timedelta(0), at - begins)


@dataclass(slots=True)
class RootFigures:
    """`load` counts renewals. `waiting`: for whom it waited when the simulated time was over, if it was not done.

    `refused`: leaves issued while somebody they may be shown to would refuse them, `refusing`: the most such
    participants at once. `orphaned`: valid leaves below a root when it left, `margin`: how long nothing had depended
    on it by then, below zero if something still did.
    """

    scenario: RootScenario
    load: Figures
    began: datetime
    phases: list[PhaseRun] = field(default_factory=list)
    proofs: dict[Phase, Proofs] = field(default_factory=dict)
    window: timedelta = timedelta(0)
    waiting: tuple[Waiting, ...] = ()
    looks: int = 0
    refused: int = 0
    refusing: int = 0
    orphaned: int = 0
    margin: timedelta | None = None

    @property
    def is_done(self) -> bool:
        return bool(self.phases) and self.phases[-1].phase is Phase.DONE

    @property
    def ended(self) -> datetime:
        return self.phases[-1].ends

    @property
    def violations(self) -> int:
        """Leaves shown to who would refuse them, and those below a root that has left; one if only connections are."""
        is_early = self.margin is not None and self.margin < timedelta(0)
        return self.refused + (max(1, self.orphaned) if is_early else 0)

    def minutes(self) -> list[int]:
        """Renewals in each minute of the change."""
        whole = max(1, -(-(self.ended - self.began) // timedelta(minutes=1)))
        signed = self.load.signed
        return [sum(signed[at * SLOTS_A_MINUTE : (at + 1) * SLOTS_A_MINUTE]) for at in range(whole)]

    def entered(self, phase: Phase, at: datetime) -> None:
        if self.phases:
            self.phases[-1].ends = at
        self.phases.append(PhaseRun(phase, at, at))

    def proved(self, phase: Phase, who: str, count: int, at: datetime) -> None:
        """So many participants showed what that phase waits for; who named is one of them."""
        proofs = self.proofs.setdefault(phase, Proofs())
        proofs.heard += [at] * count
        proofs.last = who
