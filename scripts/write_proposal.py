"""Writes docs/machines/proposal.md: what a proposal answers to every event in every phase.

Nothing is described by hand: the machine is brought into each phase and told each event.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trustplane.fault import Refused
from trustplane.people.person import Person
from trustplane.people.proposal import (
    LIFETIME,
    Approved,
    CarriedOut,
    Declined,
    Event,
    Failed,
    Phase,
    Ticked,
    Withdrawn,
    feed,
    proposed,
)
from trustplane.people.proposed_act import Act, ActKind, Judged

PAGE = Path(__file__).resolve().parent.parent / "docs" / "machines" / "proposal.md"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATE = NOON + LIFETIME
ADA, GRACE = Person("console:ada"), Person("console:grace")
ONE = proposed(Act.of(ActKind.REVOKE_ID), Judged({}, ()), ADA, "shown", NOON).numbered(1)
APPROVE = Approved(GRACE, "", "server-1")
WAY: Mapping[Phase, tuple[tuple[Event, datetime], ...]] = {
    Phase.PROPOSED: (),
    Phase.APPROVED: ((APPROVE, NOON),),
    Phase.CARRIED_OUT: ((APPROVE, NOON), (CarriedOut(""), NOON)),
    Phase.FAILED: ((APPROVE, NOON), (Failed(""), NOON)),
    Phase.REFUSED: ((Declined(GRACE, ""), NOON),),
    Phase.WITHDRAWN: ((Withdrawn(ADA), NOON),),
    Phase.EXPIRED: ((Ticked(), LATE),),
}
TOLD: tuple[tuple[str, Event, datetime], ...] = (
    ("Approved, by another", APPROVE, NOON),
    ("Approved, by who may be the proposer", Approved(ADA, "", "server-1"), NOON),
    ("Approved, after its time", APPROVE, LATE),
    ("Declined", Declined(GRACE, ""), NOON),
    ("Withdrawn, by its proposer", Withdrawn(ADA), NOON),
    ("Withdrawn, by another", Withdrawn(GRACE), NOON),
    ("Carried out", CarriedOut(""), NOON),
    ("Failed", Failed(""), NOON),
    ("Ticked, before its time is over", Ticked(), LATE - timedelta(seconds=1)),
    ("Ticked, after its time", Ticked(), LATE),
)
HEAD = f"""\
# A proposal

Written by `scripts/write_proposal.py`, which tells `people.proposal` every event in every phase; do not edit.
[journeys/approval.md](../journeys/approval.md) says what it is for.

A proposal that nobody decides expires {LIFETIME.total_seconds() / 3600:.0f} hours after it was made. Breaking the glass
begins in *approved*, with nobody who approved.

```mermaid
stateDiagram-v2
    [*] --> proposed
    [*] --> approved: glass broken
"""


def main() -> None:
    moves: dict[tuple[str, str], list[str]] = {}
    rows: list[str] = []
    for name, event, at in TOLD:
        cells = []
        for phase, way in WAY.items():
            until, cell = _told(way, event, at)
            cells.append(cell)
            if until is not phase:
                short = name.partition(",")[0].lower() if "after its time" not in name else "time is over"
                labels = moves.setdefault((phase.value, until.value), [])
                labels += [] if short in labels else [short]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    drawn = [f"    {_id(since)} --> {_id(until)}: {', '.join(names)}" for (since, until), names in moves.items()]
    ends = [f"    {_id(one.value)} --> [*]" for one in Phase if one.is_over]
    table = [f"| Event | {' | '.join(phase.value for phase in WAY)} |", "|---|" + "---|" * len(WAY), *rows]
    PAGE.write_text(HEAD + "\n".join([*drawn, *ends, "```", "", *table, ""]))


def _told(way: tuple[tuple[Event, datetime], ...], event: Event, at: datetime) -> tuple[Phase, str]:
    one = ONE
    for told, then in way:
        one, _ = feed(one, told, then)
    try:
        fed, effects = feed(one, event, at)
    except Refused as refused:
        return one.phase, f"refused: {refused.code}"
    shown = "carry it out " if effects else ""
    return fed.phase, "nothing" if fed == one else f"{shown}→ *{fed.phase.value}*"


def _id(name: str) -> str:
    return name.replace(" ", "_")


if __name__ == "__main__":
    main()
