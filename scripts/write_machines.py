"""Writes docs/machines/renewal.md: what the renewal machine of a leaf answers to every event in every phase.

Nothing is described by hand: the machine is brought into each phase and told each event.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trustplane.rotation.leaf import (
    LONGEST,
    LONGEST_ASKED,
    LONGEST_EMPTY,
    SHORTEST,
    TICKED,
    Ask,
    AskAt,
    Deferred,
    Effect,
    Event,
    Failed,
    Issued,
    LeafRenewal,
    Moved,
    Noticed,
    Phase,
    Revoked,
    Superseded,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "machines" / "renewal.md"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RENEW_AT = NOON + 30 * MINUTE
NOT_AFTER = NOON + 60 * MINUTE
LEAF = Issued(RENEW_AT, NOT_AFTER)
WAY: Mapping[Phase, tuple[Event, ...]] = {
    Phase.EMPTY: (),
    Phase.ASKING: (TICKED,),
    Phase.WAITING: (TICKED, Deferred(0, 2 * MINUTE)),
    Phase.FRESH: (TICKED, LEAF),
}
TOLD: tuple[tuple[str, Event, datetime], ...] = (
    ("Ticked, before the instant asked for", TICKED, NOON + MINUTE),
    ("Ticked, at the instant asked for or later", TICKED, RENEW_AT),
    ("Issued", Issued(RENEW_AT + 30 * MINUTE, NOT_AFTER + 30 * MINUTE), RENEW_AT),
    ("Failed, no answer", Failed(0), NOON + MINUTE),
    ("Failed, the server asks for at least 2 min", Failed(0, 2 * MINUTE), NOON + MINUTE),
    ("Deferred, to a turn in 2 min", Deferred(0, 2 * MINUTE), NOON + MINUTE),
    ("Failed, of another address", Failed(1), NOON + MINUTE),
    ("Moved, 10 min earlier", Moved(RENEW_AT - 10 * MINUTE), NOON + MINUTE),
    ("Superseded", Superseded(), NOON + MINUTE),
    ("Revoked", Revoked(), NOON + MINUTE),
    ("Ticked, after expiry", TICKED, NOT_AFTER),
)
HEAD = f"""\
# The renewal of one leaf

Written by `scripts/write_machines.py`, which tells `rotation.leaf.LeafRenewal` every event in every phase; do not edit.
[journeys/renewal.md](../journeys/renewal.md) says what it is for.

The machine is shown with two servers known, a leaf issued at 12:00 that is to be renewed at 12:30 and ends at 13:00.
Waits, in seconds: after a question without an answer, one to three times the last wait, at most {LONGEST.seconds} or an
eighth of the life left, whichever is less; at most {LONGEST_EMPTY.seconds} without a valid leaf; always at least
{SHORTEST.total_seconds()}. A wait the server asks for is kept up to half of the life left,
and never beyond {LONGEST_ASKED.seconds}.

```mermaid
stateDiagram-v2
    [*] --> empty
    [*] --> fresh: restarted with what was kept
"""


def main() -> None:
    moves: dict[tuple[str, str], list[str]] = {}
    rows: list[str] = []
    for name, event, at in TOLD:
        cells: list[str] = []
        for phase, way in WAY.items():
            leaf = LeafRenewal(2, 2)
            for told in way:
                leaf.feed(told, NOON)
            effects = leaf.feed(event, at)
            if leaf.phase is not phase:
                short = name.partition(",")[0]
                labels = moves.setdefault((phase.value, leaf.phase.value), [])
                labels += [] if short in labels else [short]
            cells.append(
                f"{_shown(effects)} → *{leaf.phase.value}*" if effects or leaf.phase is not phase else "nothing"
            )
        rows.append(f"| {name} | {' | '.join(cells)} |")
    drawn = [f"    {since} --> {until}: {', '.join(names)}" for (since, until), names in moves.items()]
    table = [f"| Event | {' | '.join(phase.value for phase in WAY)} |", "|---|" + "---|" * len(WAY), *rows]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(HEAD + "\n".join([*drawn, "```", "", *table, ""]))


def _shown(effects: tuple[Effect, ...]) -> str:
    return ", ".join(map(_effect, effects)) or "nothing"


def _effect(effect: Effect) -> str:
    match effect:
        case AskAt():
            return f"AskAt {effect.at:%H:%M:%S}"
        case Ask():
            return f"Ask server {effect.address + 1}"
        case Noticed():
            return f"Noticed {effect.notice.name.lower().replace('_', ' ')}"


if __name__ == "__main__":
    main()
