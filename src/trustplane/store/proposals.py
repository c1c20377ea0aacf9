"""Proposals. A new one is numbered here; each is written only by who read its newest version.

Of those that are over only the newest are kept; the audit log keeps its word on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, select, update

from trustplane.fault import Unavailable
from trustplane.people.person import Person
from trustplane.people.proposal import KEPT, MOST_OPEN, MOST_OPEN_OF_ONE, Phase, Proposal, too_many_proposals
from trustplane.people.proposed_act import Act, ActKind, Judged
from trustplane.store.proposal_tables import proposals
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction

NoteOf = Callable[[Proposal], bytes]
TRIES = 5
_OPEN = [Phase.PROPOSED.value, Phase.APPROVED.value]


def add(transaction: Transaction, proposal: Proposal, note: NoteOf, at: datetime) -> Proposal:
    """Numbered, with `note` of it in the audit log. Who breaks the glass is not held up by what waits."""
    if not proposal.is_glass_broken:
        _check_bounds(transaction, proposal, at)
    newest = select(func.max(proposals.c.number))
    for _ in range(TRIES):  # of two replicas that add at once, the number lets one through
        numbered = proposal.numbered(int(transaction.read(newest).scalar() or 0) + 1)
        first = transaction.insert_or(proposals).on_conflict_do_nothing(index_elements=["number"])
        if transaction.write(first.values(**_row(numbered))) == 1:
            break
    else:
        raise _crowded()
    transaction.append_audit([note(numbered)], at)
    over = proposals.c.phase.not_in(_OPEN)
    transaction.write(delete(proposals).where(over, proposals.c.number <= numbered.number - KEPT))
    transaction.signal(Topic.PROPOSALS)
    return numbered


def move(transaction: Transaction, proposal: Proposal, bodies: Sequence[bytes], at: datetime) -> bool:
    """With these words in the audit log. False, and nothing is written, when its version is not the newest."""
    this_one = update(proposals).where(
        proposals.c.number == proposal.number, proposals.c.version == proposal.version - 1
    )
    if transaction.write(this_one.values(**_row(proposal))) != 1:
        return False
    transaction.append_audit(bodies, at)
    transaction.signal(Topic.PROPOSALS)
    return True


def get(connection: Connection, number: int) -> Proposal | None:
    row = connection.execute(select(proposals).where(proposals.c.number == number)).first()
    return None if row is None else _proposal(row)


def not_over(connection: Connection) -> tuple[Proposal, ...]:
    """The oldest first."""
    chosen = select(proposals).where(proposals.c.phase.in_(_OPEN)).order_by(proposals.c.number)
    return tuple(map(_proposal, connection.execute(chosen)))


def newest(connection: Connection, limit: int) -> tuple[Proposal, ...]:
    chosen = select(proposals).order_by(proposals.c.number.desc()).limit(limit)
    return tuple(map(_proposal, connection.execute(chosen)))


def _check_bounds(transaction: Transaction, proposal: Proposal, at: datetime) -> None:
    waiting = proposals.c.phase == Phase.PROPOSED.value, proposals.c.expires_at > at
    counted = select(func.count()).select_from(proposals).where(*waiting)
    theirs = counted.where(proposals.c.by == proposal.by.name)
    everyone, own = (int(transaction.read(one).scalar_one()) for one in (counted, theirs))
    if everyone >= MOST_OPEN or own >= MOST_OPEN_OF_ONE:
        raise too_many_proposals(own if everyone < MOST_OPEN else everyone)


def _crowded() -> Unavailable:
    return Unavailable(
        code="proposals-crowded",
        what="the proposal was not taken",
        why="other servers took proposals at the same instant",
        fix="try again",
    )


def _row(one: Proposal) -> dict[str, Any]:
    return {
        "number": one.number,
        "version": one.version,
        "kind": one.act.kind.value,
        "terms": _json(dict(one.act.terms)),
        "state": _json(dict(one.judged.state)),
        "words": _json(one.judged.words),
        "plan": one.judged.plan,
        "digest": one.digest,
        "by": one.by.name,
        "by_subject": one.by.subject,
        "why": one.why,
        "at": one.at,
        "expires_at": one.expires_at,
        "phase": one.phase.value,
        "decided_by": one.decided_by.name if one.decided_by else None,
        "decided_subject": one.decided_by.subject if one.decided_by else "",
        "decided_at": one.decided_at,
        "word": one.word,
        "carrier": one.carrier,
        "ended_at": one.ended_at,
        "told": one.told,
        "is_glass_broken": one.is_glass_broken,
    }


def _proposal(row: Row[Any]) -> Proposal:
    terms = msgspec.json.decode(row.terms, type=dict[str, str])
    state = msgspec.json.decode(row.state, type=dict[str, str])
    words = msgspec.json.decode(row.words, type=tuple[str, ...])
    return Proposal(
        number=row.number,
        act=Act(ActKind.parse(row.kind), terms),
        judged=Judged(state, words, row.plan),
        by=Person(row.by, row.by_subject),
        why=row.why,
        at=row.at,
        expires_at=row.expires_at,
        digest=row.digest,
        phase=Phase(row.phase),
        decided_by=Person(row.decided_by, row.decided_subject) if row.decided_by else None,
        decided_at=row.decided_at,
        word=row.word,
        carrier=row.carrier,
        ended_at=row.ended_at,
        told=row.told,
        is_glass_broken=row.is_glass_broken,
        version=row.version,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
