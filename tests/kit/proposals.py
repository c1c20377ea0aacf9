"""Proposals in memory, which pass the contract suite of the store; and acts that only say that they were done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from trustplane.fault import Refused
from trustplane.people.person import Person
from trustplane.people.proposal import (
    KEPT,
    MOST_OPEN,
    MOST_OPEN_OF_ONE,
    Phase,
    Proposal,
    proposed,
    too_many_proposals,
)
from trustplane.people.proposed_act import Act, ActKind, Judged

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ADA = Person("console:ada")
GRACE = Person("console:grace")
REVOKE = Act.of(ActKind.REVOKE_ID, id="spiffe://acme.example/ns/shop/sa/web", reason="unspecified", note="")
JUDGED = Judged({"revoked": "no"}, ("Every certificate of it is refused.",))


def proposal(act: Act = REVOKE, by: Person = ADA, at: datetime = NOON) -> Proposal:
    """Not numbered yet."""
    return proposed(act, JUDGED, by, "left the company", at)


@dataclass(slots=True)
class MemoryProposals:
    """`bodies` is the audit log."""

    kept: dict[int, Proposal] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)

    async def add_proposal(self, proposal: Proposal, note: Callable[[Proposal], bytes], at: datetime) -> Proposal:
        waiting = [one for one in self.kept.values() if one.phase_at(at) is Phase.PROPOSED]
        theirs = [one for one in waiting if one.by.name == proposal.by.name]
        if not proposal.is_glass_broken and (len(waiting) >= MOST_OPEN or len(theirs) >= MOST_OPEN_OF_ONE):
            raise too_many_proposals(max(len(waiting), len(theirs)))
        numbered = proposal.numbered(max(self.kept, default=0) + 1)
        self.kept[numbered.number] = numbered
        self.bodies.append(note(numbered))
        gone = [key for key, one in self.kept.items() if one.phase.is_over and key <= numbered.number - KEPT]
        for key in gone:
            del self.kept[key]
        return numbered

    async def move_proposal(self, proposal: Proposal, bodies: Sequence[bytes], at: datetime) -> bool:
        del at  # it is in the bodies
        known = self.kept.get(proposal.number)
        if known is None or known.version != proposal.version - 1:
            return False
        self.kept[proposal.number] = proposal
        self.bodies.extend(bodies)
        return True

    async def proposal(self, number: int) -> Proposal | None:
        return self.kept.get(number)

    async def open_proposals(self) -> Sequence[Proposal]:
        return [one for _, one in sorted(self.kept.items()) if not one.phase.is_over]

    async def newest_proposals(self, limit: int) -> Sequence[Proposal]:
        return [one for _, one in sorted(self.kept.items(), reverse=True)][:limit]


@dataclass(slots=True)
class CountedAct:
    """Satisfies `flows.approvals.keep_proposals.Doing`. `done`: by whom it was done, each time."""

    judged: Judged = JUDGED
    done: list[str] = field(default_factory=list)
    fault: Exception | None = None
    dies: BaseException | None = None  # before it acts

    async def judge(self, act: Act) -> Judged:
        del act
        return self.judged

    async def carry_out(self, act: Act, by: str) -> str:
        if self.dies:
            raise self.dies
        if self.fault:
            raise self.fault
        self.done.append(by)
        return f"{act.kind.value} was done"

    async def was_carried_out(self, act: Act, by: str) -> str | None:
        return f"{act.kind.value} was done" if by in self.done else None

    def changes_its_mind(self) -> None:
        self.judged = replace(self.judged, state={"revoked": "yes"})


def refusing() -> Refused:
    return Refused(code="test-refusal", what="it is not possible", why="the test says so", fix="none")
