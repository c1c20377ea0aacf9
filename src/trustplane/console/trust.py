"""Trust as the console shows it: authorities, who holds the bundle, and how far a change of root is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trustplane.console.services import Held, held
from trustplane.flows.roots.change_root import Progress
from trustplane.rotation.root_change import Phase, RootChange
from trustplane.rotation.root_gates import Waiting
from trustplane.spiffe.bundle import Bundle
from trustplane.trust.authority import Authority, AuthorityKind, AuthorityState

MOST_SHOWN = 200
_STEPS = (Phase.PREPARE, Phase.PUBLISH, Phase.VERIFY, Phase.SWITCH, Phase.DRAIN, Phase.RETIRE, Phase.VERIFY_AGAIN)


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is done, current or ahead."""

    phase: str
    state: str


@dataclass(frozen=True, slots=True)
class Board:
    """A change of root that is under way."""

    change: RootChange
    steps: tuple[Step, ...]
    waits: tuple[Waiting, ...]
    left_off: int
    ready: int
    participants: int


@dataclass(frozen=True, slots=True)
class Trust:
    at: datetime
    digest: str
    sequence: int | None
    authorities: tuple[Authority, ...]
    holders: tuple[Held, ...]
    holders_left_off: int
    agreeing: int
    of_all: int
    silent: tuple[str, ...]
    board: Board | None
    past: tuple[RootChange, ...]


def trust(
    progress: Progress,
    authorities: Sequence[Authority],
    bundle: Bundle,
    past: Sequence[RootChange],
    at: datetime,
) -> Trust:
    held_bundles = progress.surveyed.holdings
    holders = sorted(map(held, held_bundles), key=lambda one: (one.held == one.desired, one.participant, one.node))
    known = {_name(one) for one in holders}
    ours = {one.participant.name for one in progress.surveyed.survey.seen if one.rule is None}
    shown = [one for one in authorities if one.state is not AuthorityState.RETIRED]
    return Trust(
        at=at,
        digest=bundle.digest,
        sequence=bundle.sequence,
        authorities=tuple(sorted(shown, key=_rank)),
        holders=tuple(holders[:MOST_SHOWN]),
        holders_left_off=max(0, len(holders) - MOST_SHOWN),
        agreeing=sum(one.held == one.desired for one in holders),
        of_all=len(holders),
        silent=tuple(sorted(ours - known))[:MOST_SHOWN],
        board=_board(progress),
        past=tuple(one for one in past if one.phase.is_over),
    )


def _board(progress: Progress) -> Board | None:
    change = progress.change
    if change is None or change.phase.is_over:
        return None
    seen = progress.surveyed.survey.seen
    late = {one.participant for one in progress.waits} & {one.participant for one in seen}
    reached = _STEPS.index(change.phase)
    steps = tuple(
        Step(one.value, "current" if number == reached else "done" if number < reached else "ahead")
        for number, one in enumerate(_STEPS)
    )
    waits = progress.waits
    return Board(change, steps, waits[:MOST_SHOWN], max(0, len(waits) - MOST_SHOWN), len(seen) - len(late), len(seen))


def _name(one: Held) -> str:
    kind = one.participant.partition(" ")[0]
    return one.participant if kind in {"server", "agent"} else f"{one.participant} on {one.node}"


def _rank(authority: Authority) -> tuple[int, datetime]:
    """Roots first, then who they signed; of one kind the oldest first."""
    return list(AuthorityKind).index(authority.kind), authority.not_before
