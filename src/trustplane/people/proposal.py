"""A proposal: one person proposes an act, another approves it, and it is carried out at most once.

Three promises. Nobody approves what they proposed. What is carried out is what was approved, byte by byte. It is begun
at most once: the effect follows from the one step out of `proposed`, and a proposal that was approved before a crash is
looked after, never begun again. Breaking the glass is the one exception to the first, and is on record as such.

`feed` takes a proposal as it is stored, one event and an instant, and answers with it as it is to be stored and what
must be done then. What comes late, twice or out of order changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from trustplane.fault import Refused
from trustplane.people.person import Person
from trustplane.people.proposed_act import MAX_TEXT, Act, Judged, digest_of

LIFETIME = timedelta(hours=24)
CARRIED_OUT_WITHIN = timedelta(minutes=2)  # twice as long as any request may take, with room for clocks that differ
MOST_OPEN = 50
MOST_OPEN_OF_ONE = 10
KEPT = 200


class Phase(Enum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    CARRIED_OUT = "carried out"
    FAILED = "failed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"

    @property
    def is_over(self) -> bool:
        return self not in {Phase.PROPOSED, Phase.APPROVED}


@dataclass(frozen=True, slots=True)
class Approved:
    """`carrier` is the server that carries it out."""

    by: Person
    word: str
    carrier: str


@dataclass(frozen=True, slots=True)
class Declined:
    by: Person
    word: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    by: Person


@dataclass(frozen=True, slots=True)
class CarriedOut:
    told: str


@dataclass(frozen=True, slots=True)
class Failed:
    """`told` begins with the fault's code."""

    told: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""


Event = Approved | Declined | Withdrawn | CarriedOut | Failed | Ticked


@dataclass(frozen=True, slots=True)
class CarryOut:
    """Do it, once."""

    act: Act


@dataclass(frozen=True, slots=True)
class Proposal:
    """`why` is the proposer's word, `word` that of who decided, `told` what came of it.

    `version` counts what was written of it, so that of two who decide at once one is late. `number` is 0 until it is
    stored. `is_glass_broken`: whoever proposed it did it at once, alone.
    """

    number: int
    act: Act
    judged: Judged
    by: Person
    why: str
    at: datetime
    expires_at: datetime
    digest: str
    phase: Phase = Phase.PROPOSED
    decided_by: Person | None = None
    decided_at: datetime | None = None
    word: str = ""
    carrier: str = ""
    ended_at: datetime | None = None
    told: str = ""
    is_glass_broken: bool = False
    version: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it still is what its digest was made of."""
        return self.digest == digest_of(self.act, self.judged, self.by.name, self.number)

    def phase_at(self, at: datetime) -> Phase:
        """Nobody has to write down first that its time is over."""
        is_late = self.phase is Phase.PROPOSED and at >= self.expires_at
        return Phase.EXPIRED if is_late else self.phase

    @property
    def acts_as(self) -> str:
        """Who did it, as it is written wherever the act is."""
        if self.is_glass_broken or self.decided_by is None:
            return self.by.name
        return f"{self.by}, approved by {self.decided_by} (proposal {self.number})"

    def numbered(self, number: int) -> Proposal:
        return replace(self, number=number, digest=digest_of(self.act, self.judged, self.by.name, number), version=1)


Fed = tuple[Proposal, tuple[CarryOut, ...]]


def proposed(act: Act, judged: Judged, by: Person, why: str, at: datetime) -> Proposal:
    digest = digest_of(act, judged, by.name, 0)
    return Proposal(0, act, judged, by, word_of(why), at, at + LIFETIME, digest)


def glass_broken(act: Act, judged: Judged, by: Person, why: str, at: datetime, carrier: str) -> Proposal:  # noqa: PLR0917 - one field each
    """As if it were approved; that it was not is what it says of itself."""
    one = proposed(act, judged, by, why, at)
    return replace(one, phase=Phase.APPROVED, decided_at=at, carrier=carrier, is_glass_broken=True)


def feed(proposal: Proposal, event: Event, at: datetime) -> Fed:  # noqa: PLR0911 - one answer for each row of its table
    """Take one event; answer with the proposal as it is now and what must be done."""
    match proposal.phase_at(at), event:
        case Phase.EXPIRED, _ if proposal.phase is Phase.PROPOSED:
            return _ended(proposal, Phase.EXPIRED, at), ()
        case Phase.PROPOSED, Approved(by, word, carrier):
            if by.may_be(proposal.by):
                raise own_proposal(proposal)
            decided = _decided(proposal, by, word, at)
            return replace(decided, phase=Phase.APPROVED, carrier=carrier), (CarryOut(proposal.act),)
        case Phase.PROPOSED, Declined(by, word):
            return _ended(_decided(proposal, by, word, at), Phase.REFUSED, at), ()
        case Phase.PROPOSED, Withdrawn(by):
            if not by.may_be(proposal.by):
                raise _not_theirs(proposal)
            return _ended(_decided(proposal, by, "", at), Phase.WITHDRAWN, at), ()
        case Phase.APPROVED, CarriedOut(told):
            return replace(_ended(proposal, Phase.CARRIED_OUT, at), told=told[:MAX_TEXT]), ()
        case Phase.APPROVED, Failed(told):
            return replace(_ended(proposal, Phase.FAILED, at), told=told[:MAX_TEXT]), ()
        case _:
            return proposal, ()  # late, repeated and out of order


def word_of(text: str) -> str:
    """Of why. Refused when there is none, or too much."""
    if not text.strip() or len(text) > MAX_TEXT:
        raise Refused(
            code="no-word-of-why",
            what="no reason was given, or too long a one",
            why=f"whoever reads the audit log must learn why; 1 to {MAX_TEXT} characters",
            fix="say in a sentence why",
        )
    return text.strip()


def _decided(proposal: Proposal, by: Person, word: str, at: datetime) -> Proposal:
    return replace(proposal, decided_by=by, decided_at=at, word=word)


def _ended(proposal: Proposal, phase: Phase, at: datetime) -> Proposal:
    return replace(proposal, phase=phase, ended_at=at)


def own_proposal(proposal: Proposal) -> Refused:
    return Refused(
        code="own-proposal",
        what=f"proposal {proposal.number} was proposed by {proposal.by}, which may be you",
        why="two people look at such an act, and accounts whose names read alike are taken for one person",
        fix="have another approver look at it, or withdraw it",
    )


def _not_theirs(proposal: Proposal) -> Refused:
    return Refused(
        code="not-your-proposal",
        what=f"proposal {proposal.number} was proposed by {proposal.by}",
        why="only who proposed something withdraws it",
        fix="refuse it as an approver, or ask them",
    )


def proposal_unknown(number: int) -> Refused:
    return Refused(
        code="proposal-unknown",
        what=f"there is no proposal {number}",
        why=f"it never was, or it is older than the newest {KEPT}",
        fix="trustplane proposals list; older ones are in the audit log",
    )


def too_many_proposals(open_now: int) -> Refused:
    return Refused(
        code="too-many-proposals",
        what=f"{open_now} proposals wait already",
        why=f"at most {MOST_OPEN} wait, and {MOST_OPEN_OF_ONE} of one person: nobody reads more with care",
        fix="have them decided, or withdraw those that are not meant any more",
    )
