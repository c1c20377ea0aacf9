"""Writes docs/machines/root-change.md: what the change of a root answers in every phase, and whom it waits for.

Nothing is described by hand: the machine is put into each phase, shown what is proven, and told what operators say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trustplane.fault import Refused
from trustplane.rotation.change_root import (
    Effect,
    Event,
    GoneBack,
    Looked,
    MakeRoot,
    Noticed,
    PrepareIssuers,
    Publish,
    Remake,
    Retire,
    Switch,
    feed,
)
from trustplane.rotation.root_change import Order, Participant, Phase, RootChange, Seen, Survey, begun
from trustplane.rotation.root_gates import waits
from trustplane.trust.authority import AuthorityId, AuthorityState

PAGE = Path(__file__).resolve().parent.parent / "docs" / "machines" / "root-change.md"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
OLD, NEW = AuthorityId("0" * 64), AuthorityId("f" * 64)
NAMES = {OLD: "old", NEW: "new"}
SIDECAR = Participant("sidecar shop/web on node-a")
OLDS, NEWS, BOTH = frozenset({OLD}), frozenset({NEW}), frozenset({OLD, NEW})
STAGED, PREPARED, ACTIVE = AuthorityState.STAGED, AuthorityState.PREPARED, AuthorityState.ACTIVE
DRAINING, RETIRED = AuthorityState.DRAINING, AuthorityState.RETIRED

# Of each phase: the roots' states, what a sidecar has proven at first, and what it has at last.
FACTS: Mapping[Phase, tuple[dict[AuthorityId, AuthorityState], Seen, Seen]] = {
    Phase.PREPARE: (
        {OLD: ACTIVE, NEW: STAGED},
        Seen(SIDECAR, OLDS, frozenset(), OLDS, NOON),
        Seen(SIDECAR, OLDS, frozenset(), OLDS, NOON),
    ),
    Phase.PUBLISH: (
        {OLD: ACTIVE, NEW: PREPARED},
        Seen(SIDECAR, OLDS, frozenset(), OLDS, NOON),
        Seen(SIDECAR, BOTH, frozenset(), OLDS, NOON),
    ),
    Phase.VERIFY: (
        {OLD: ACTIVE, NEW: PREPARED},
        Seen(SIDECAR, BOTH, frozenset(), OLDS, NOON),
        Seen(SIDECAR, BOTH, NEWS, OLDS, NOON),
    ),
    Phase.SWITCH: (
        {OLD: DRAINING, NEW: ACTIVE},
        Seen(SIDECAR, BOTH, NEWS, OLDS, NOON),
        Seen(SIDECAR, BOTH, NEWS, NEWS, NOON),
    ),
    Phase.DRAIN: (
        {OLD: DRAINING, NEW: ACTIVE},
        Seen(SIDECAR, BOTH, NEWS, NEWS, NOON),
        Seen(SIDECAR, BOTH, NEWS, NEWS, NOON),
    ),
    Phase.RETIRE: (
        {OLD: DRAINING, NEW: ACTIVE},
        Seen(SIDECAR, BOTH, NEWS, NEWS, NOON),
        Seen(SIDECAR, BOTH, NEWS, NEWS, NOON),
    ),
    Phase.VERIFY_AGAIN: (
        {OLD: RETIRED, NEW: ACTIVE},
        Seen(SIDECAR, BOTH, NEWS, NEWS, NOON),
        Seen(SIDECAR, NEWS, NEWS, NEWS, NOON),
    ),
}
HEAD = """\
# The change of a root

Written by `scripts/write_root_change.py`, which puts `rotation.change_root` into every phase; do not edit.
A paused change answers nothing to what is proven.
[journeys/change-of-root.md](../journeys/change-of-root.md) says what it is for.

Shown with one sidecar. *Not proven* is the phase as it begins, *proven* when nothing is waited for any more, both at an
instant at which the last leaf below the old root has ended and every connection is old enough, except for the drain
that is not over. An act is asked for until it is seen to be done, so the phase follows at the next look.

```mermaid
stateDiagram-v2
    [*] --> prepare: rotate start
"""


def main() -> None:
    moves: dict[tuple[str, str], list[str]] = {}
    rows = [_row(phase, moves) for phase in FACTS]
    drawn = [f"    {since} --> {until}: {', '.join(names)}" for (since, until), names in moves.items()]
    drawn = [line.replace("verify-again", "verify_again") for line in drawn]
    ends = ["    done --> [*]", "    aborted --> [*]"]
    heading = "| Phase | Waits for who | Not proven | Proven | Act done | Taken back |"
    PAGE.write_text(HEAD + "\n".join([*drawn, *ends, "```", "", heading, "|---|---|---|---|---|---|", *rows, "", TAIL]))


def _row(phase: Phase, moves: dict[tuple[str, str], list[str]]) -> str:
    roots, first, last = FACTS[phase]
    change = replace(begun(1, OLD, Order("ann", "why"), NOON), coming=NEW, phase=phase)
    if phase in {Phase.DRAIN, Phase.RETIRE, Phase.VERIFY_AGAIN}:
        change = replace(change, replaced_at=NOON)
    lacking = Looked(_survey(roots, first, frozenset({OLD} if phase is Phase.PREPARE else BOTH)))
    at = NOON if phase in {Phase.DRAIN, Phase.RETIRE} else LATER
    waited = sorted({one.lack.value for one in waits(change, lacking.survey, at)})
    cells = [
        _cell(change, lacking, at, "not proven", moves),
        _cell(change, Looked(_survey(roots, last)), LATER, "proven", moves),
        _cell(change, Looked(_survey(_after(phase, roots), last)), LATER, "act done", moves),
        _cell(change, GoneBack(), LATER, "taken back", moves),
    ]
    if phase is Phase.VERIFY_AGAIN:
        back = replace(change, is_going_back=True)
        _cell(back, Looked(_survey(roots, last)), LATER, "proven, after going back", moves)
    return f"| *{phase.value}* | {'; '.join(waited) or '-'} | {' | '.join(cells)} |"


def _survey(roots: Mapping[AuthorityId, AuthorityState], seen: Seen, ready: frozenset[AuthorityId] = BOTH) -> Survey:
    return Survey(roots, ready, (seen,), {OLD: NOON + timedelta(hours=1)}, timedelta(minutes=15))


def _after(phase: Phase, roots: Mapping[AuthorityId, AuthorityState]) -> Mapping[AuthorityId, AuthorityState]:
    match phase:
        case Phase.PREPARE:
            return {OLD: ACTIVE, NEW: PREPARED}
        case Phase.RETIRE:
            return {OLD: RETIRED, NEW: ACTIVE}
        case _:
            return roots


def _cell(change: RootChange, event: Event, at: datetime, name: str, moves: dict[tuple[str, str], list[str]]) -> str:
    try:
        fed, effects = feed(change, event, at)
    except Refused as refused:
        return f"refused: {refused.code}"
    shown = ", ".join(_shown(effect) for effect in effects if not isinstance(effect, Noticed))
    exchanged = "roots exchanged" if fed.is_going_back and not change.is_going_back else ""
    if fed.phase is change.phase:
        return shown or exchanged or "nothing"
    names = moves.setdefault((change.phase.value, fed.phase.value), [])
    is_same = name == "act done" and "proven" in names
    names += [] if is_same or name in names else [name]
    return f"{shown} → *{fed.phase.value}*{f', {exchanged}' if exchanged else ''}".strip()


def _shown(effect: Effect) -> str:
    match effect:
        case MakeRoot():
            return "make a root"
        case PrepareIssuers(root):
            return f"prepare issuers below {NAMES[root]}"
        case Publish(root) | Retire(root):
            return f"{'publish' if isinstance(effect, Publish) else 'retire'} {NAMES[root]}"
        case Switch(leaving, coming):
            return f"switch from {NAMES[leaving]} to {NAMES[coming]}"
        case Remake():
            return "have connections made anew"
        case Noticed(phase):
            return phase.value


TAIL = """\
Before the switch itself the phase *switch* is that of *verify* with every proof at hand: it asks for the act, and falls
back to *verify* if someone turns up who has proved nothing. Going back ends as *aborted* instead of *done*.
"""

if __name__ == "__main__":
    main()
