"""The exact sequence of a change of root for this fleet, told by the machine itself.

The machine is played through in a world where everyone does what is waited for, one after the other, so what is told
is what it would do and whom it would wait for, and cannot differ from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trustplane.fault import Broken
from trustplane.rotation.change_root import (
    Effect,
    Looked,
    MakeRoot,
    Noticed,
    PrepareIssuers,
    Publish,
    Resumed,
    Retire,
    Switch,
    feed,
)
from trustplane.rotation.root_change import Phase, RootChange, Seen, Survey
from trustplane.rotation.root_gates import Lack, Waiting, waits
from trustplane.trust.authority import AuthorityId, AuthorityState

MOST_STEPS = 100
INSTANT = timedelta(microseconds=1)
TO_COME = AuthorityId("f" * 64)  # stands for a root that is not made yet


@dataclass(frozen=True, slots=True)
class Chapter:
    """One phase: what is done in it, whom it waits for, and from when to when at least."""

    phase: Phase
    acts: tuple[Effect, ...]
    waits: tuple[Waiting, ...]
    begins: datetime
    ends: datetime


def story(change: RootChange, survey: Survey, at: datetime) -> tuple[Chapter, ...]:
    """From where the change is now to its end. Only the waits that end by themselves have a known length."""
    teller = _Teller(change, survey, at)
    return tuple(teller.chapters())


class _Teller:
    def __init__(self, change: RootChange, survey: Survey, at: datetime) -> None:
        self._change = feed(change, Resumed(), at)[0] if not change.phase.is_over else change
        self._world = survey
        self._at = at

    def chapters(self) -> Iterator[Chapter]:
        phase, begins = self._change.phase, self._at
        acts: list[Effect] = []
        waited: list[Waiting] = []
        for _ in range(MOST_STEPS):
            if self._change.phase.is_over:
                return
            self._change, effects = feed(self._change, Looked(self._world), self._at)
            acts += [effect for effect in effects if not isinstance(effect, Noticed)]  # effects are told apart by class
            for effect in effects:
                self._do(effect)
            if self._change.phase is not phase:
                yield Chapter(phase, tuple(acts), tuple(waited), begins, self._at)
                phase, begins, acts, waited = self._change.phase, self._at, [], []
            elif not effects:
                waiting = waits(self._change, self._world, self._at)
                waited += waiting
                self._satisfy(waiting)
        raise Broken(
            code="rotation-without-end",
            what=f"the change of root does not get beyond {self._change.phase.value}",
            why="in a world where everyone does what is waited for it must come to its end",
            fix="report this with: trustplane rotate status --json",
        )

    def _do(self, effect: Effect) -> None:
        roots = dict(self._world.roots)
        match effect:
            case MakeRoot():
                roots[TO_COME] = AuthorityState.STAGED
            case PrepareIssuers(root):
                ready = self._world.are_issuers_ready | {root}
                self._world = replace(self._world, are_issuers_ready=ready)
            case Publish(root):
                roots[root] = AuthorityState.PREPARED
            case Switch(leaving, coming):
                roots |= {leaving: AuthorityState.DRAINING, coming: AuthorityState.ACTIVE}
            case Retire(root):
                roots[root] = AuthorityState.RETIRED
            case _:
                return
        self._world = replace(self._world, roots=roots)

    def _satisfy(self, waiting: tuple[Waiting, ...]) -> None:
        lacks = {(one.participant, one.lack) for one in waiting}
        seen = tuple(
            self._proven(one, {lack for who, lack in lacks if who == one.participant}) for one in self._world.seen
        )
        # A link that was waited for is used no more, so nobody sees it; a doubt is cleared by whoever clears it.
        links = tuple(one for one in self._world.links if (one.participant, Lack.LINK) not in lacks)
        self._world = replace(self._world, seen=seen, links=links)
        self._at = max([self._at, *(one.until + INSTANT for one in waiting if one.until is not None)])

    def _proven(self, one: Seen, lacks: set[Lack]) -> Seen:
        leaving = frozenset({self._change.leaving})
        coming = frozenset({self._change.coming} if self._change.coming else ())
        for lack in lacks:
            match lack:
                case Lack.DOUBT:
                    one = replace(one, doubt="")
                case Lack.ROOT:
                    one = replace(one, trusts=one.trusts | coming)
                case Lack.PROBE:
                    one = replace(one, accepts=(one.accepts or frozenset()) | coming)
                case Lack.LEAF:
                    one = replace(one, shows=(one.shows - leaving) | coming)
                case Lack.CONNECTION:
                    one = replace(one, remade=(one.remade or frozenset()) | {self._change.remake})
                case Lack.OLD_ROOT:
                    one = replace(one, trusts=one.trusts - leaving)
                case _:
                    continue
        return one
