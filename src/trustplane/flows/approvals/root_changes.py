"""Starting a change of root, and not waiting for one participant, as acts that are proposed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.roots.change_root import Progress, Told
from trustplane.people.proposed_act import Act, ActKind, Judged
from trustplane.rotation.root_change import Order, Participant, RootChange, Seen, Waiver, under_way
from trustplane.rotation.root_gates import EMERGENCY_GIVES_UP
from trustplane.rotation.root_story_text import markdown

MOST_NAMED = 20
LOOKED_AT = 50
_UNTOLD = "whoever proposed it"


class Roots(Protocol):
    async def rotation(self) -> Progress: ...

    async def rotation_plan(self, order: Order) -> Told: ...

    async def rotations(self, limit: int) -> Sequence[RootChange]: ...

    async def start_rotation(self, order: Order) -> RootChange: ...

    async def waive_participant(self, waiver: Waiver) -> RootChange: ...


def root_change(reason: str, *, is_emergency: bool) -> Act:
    order = Order(_UNTOLD, reason, is_emergency)  # which refuses what it cannot be started with
    return Act.of(ActKind.START_ROOT_CHANGE, reason=order.reason, emergency="yes" if order.is_emergency else "no")


def waiver(one: Waiver) -> Act:
    return Act.of(
        ActKind.WAIVE_PARTICIPANT,
        participant=one.participant.name,
        reason=one.reason,
        owner=one.owner,
        until=one.until.isoformat(),
    )


class StartRootChange:
    def __init__(self, roots: Roots) -> None:
        self._roots = roots

    async def judge(self, act: Act) -> Judged:
        newest = next(iter(await self._roots.rotations(1)), None)
        if newest is not None and not newest.phase.is_over:
            raise under_way(newest.number)
        told = await self._roots.rotation_plan(_order(act, _UNTOLD))
        state = {"root": told.change.leaving.hex, "change of root": str(told.change.number)}
        return Judged(state, _words(told), markdown(told.change, told.chapters, told.seen))

    async def carry_out(self, act: Act, by: str) -> str:
        change = await self._roots.start_rotation(_order(act, by))
        return f"change of root {change.number} began"

    async def was_carried_out(self, act: Act, by: str) -> str | None:
        del act  # who says it all: it names the proposal
        found = next((one for one in await self._roots.rotations(LOOKED_AT) if one.by == by), None)
        return f"change of root {found.number} began" if found else None


class WaiveParticipant:
    def __init__(self, roots: Roots, clock: Clock) -> None:
        self._roots = roots
        self._clock = clock

    async def judge(self, act: Act) -> Judged:
        change = (await self._roots.rotation()).change
        if change is None or change.phase.is_over:
            raise Refused(
                code="no-rotation",
                what="no change of root is under way",
                why="a participant is waived in one change, and there is nothing that waits for it",
                fix="trustplane rotate status shows the newest change",
            )
        one = self._waiver(act, _UNTOLD)
        words = (
            f"Change of root {change.number} does not wait for {one.participant} until {one.until:%Y-%m-%d %H:%M} UTC.",
            f"What breaks there is answered for by {one.owner}.",
            "It may be refused by others, or refuse them, once the old root has left.",
        )
        return Judged({"change of root": str(change.number)}, words)

    async def carry_out(self, act: Act, by: str) -> str:
        change = await self._roots.waive_participant(self._waiver(act, by))
        return f"change of root {change.number} does not wait for {act['participant']}"

    async def was_carried_out(self, act: Act, by: str) -> str | None:
        for change in await self._roots.rotations(LOOKED_AT):
            if any(one.by == by for one in change.waivers):
                return f"change of root {change.number} does not wait for {act['participant']}"
        return None

    def _waiver(self, act: Act, by: str) -> Waiver:
        until = datetime.fromisoformat(act["until"])
        return Waiver(Participant(act["participant"]), act["reason"], act["owner"], by, self._clock.now(), until)


def _order(act: Act, by: str) -> Order:
    return Order(by, act["reason"], act["emergency"] == "yes")


def _words(told: Told) -> tuple[str, ...]:
    kinds = Counter(one.participant.kind.value for one in told.seen)
    counted = ", ".join(f"{many} {kind}{'s' if many != 1 else ''}" for kind, many in sorted(kinds.items()))
    late = [text for text in map(_late, told.seen) if text]
    more = (f"and {len(late) - MOST_NAMED} more are not ready as things are.",) if len(late) > MOST_NAMED else ()
    gives_up = EMERGENCY_GIVES_UP if told.change.is_emergency else ()
    return (
        f"A new root is made and published beside {told.change.leaving.hex[:12]}, which signs now.",
        "It signs when every participant has proved that it trusts it; the old one leaves when nothing depends on it.",
        f"Taking part: {counted}." if counted else "Nobody takes part yet.",
        *(late[:MOST_NAMED] or (["Nobody is known to be away, to refuse or to be in doubt."] if counted else [])),
        *more,
        *(f"It is an emergency, and gives up: {one}." for one in gives_up),
        "It can be paused, and taken back until the old root begins to leave the bundles.",
    )


def _late(one: Seen) -> str:
    if one.is_away:
        return f"{one.participant} is away, and will be waited for."
    if one.doubt:
        return f"{one.participant} is in doubt: {one.doubt}"
    return f"{one.participant} refused what it was sent: {one.refusal}" if one.refusal else ""
