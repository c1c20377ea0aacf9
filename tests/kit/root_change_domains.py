"""What is true of another trust domain in a change of our root, and what servers are told of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.kit.root_change_peers import NOON
from trustplane.rotation.root_change import Participant, Seen
from trustplane.trust.authority import AuthorityId
from trustplane.trust.partner import Rule

HINT = timedelta(seconds=60)
GIVEN = 5 * HINT  # to one that can prove nothing

Roots = frozenset[AuthorityId]
Published = tuple[int, Roots]  # by the sequence of the bundle


@dataclass
class Domain:
    """`members` are the roots that each of its participants trusts; `fetched` is what it hands to them.

    If it makes statements, they name what was fetched and whether all its participants hold it; they are heard late, or
    never, and none after a newer one. If it makes none, it fetches at every hint and hands on at once.
    """

    name: Participant
    rule: Rule
    fetched: Published
    members: list[Roots]
    fetched_at: datetime = NOON
    unheard: list[tuple[Published, bool]] = field(default_factory=list)
    heard: tuple[Published, bool] | None = None
    awake: bool = True
    hands_on: bool = True  # what it fetches, to its participants
    is_called: bool = False
    judged: dict[AuthorityId, bool] = field(default_factory=dict)  # by the root of a probe: whether it was let in

    def fetch(self, published: Published, at: datetime) -> None:
        self.fetched, self.fetched_at = published, at
        if self.rule is Rule.TIME:
            self.members = [published[1]] * len(self.members)

    def time_passes(self, published: Published, at: datetime) -> None:
        if self.rule is Rule.TIME and at - self.fetched_at >= HINT:
            self.fetch(published, at)

    def take_up(self, which: int) -> None:
        self.members[which % len(self.members)] = self.fetched[1]

    def all_goes_well(self, published: Published, at: datetime) -> None:
        """As far as it is awake, and hands on what it fetches."""
        if self.rule is Rule.STATEMENT and self.awake:
            self.fetch(published, at)
            if self.hands_on:
                self.members = [self.fetched[1]] * len(self.members)
            self.state()
            self.hear(newest=True)

    def state(self) -> None:
        if self.rule is Rule.STATEMENT:
            told = self.fetched, all(one == self.fetched[1] for one in self.members)
            self.unheard = [*self.unheard, told][-3:]

    def hear(self, *, newest: bool = False) -> None:
        if self.unheard:
            self.heard = self.unheard[-1] if newest else self.unheard.pop(0)
            self.unheard = [] if newest else self.unheard

    def probe(self, roots: Iterable[AuthorityId], which: int) -> None:
        for root in roots if self.is_called else ():
            self.judged[root] = root in self.members[which % len(self.members)]

    def seen(self, published: Published, known: Iterable[AuthorityId], coming: AuthorityId | None) -> Seen:
        """As `flows.federation.partner_trust` tells of it."""
        holds = self.rule is Rule.TIME or (
            self.heard is not None and self.heard[1] and self.heard[0][1] == published[1]
        )
        judged = self.judged.get(coming) if coming else None
        return Seen(
            self.name,
            published[1] if holds else frozenset(known) - {coming},
            None if judged is None or coming is None else frozenset({coming}) if judged else frozenset(),
            frozenset(),
            NOON,
            is_away=self.heard is None,
            rule=self.rule,
            takes=GIVEN if self.rule is Rule.TIME else None,
        )
