"""What is true of one that verifies and shows certificates in a change of root, and what servers are told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from trustplane.rotation.root_change import Participant, Seen
from trustplane.trust.authority import AuthorityId

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


@dataclass
class Leaf:
    root: AuthorityId
    ends: datetime


@dataclass
class Connection:
    """One that was let in by a leaf below `root`, at most until then; `order`: the newest one that was followed."""

    root: AuthorityId
    until: datetime
    at: Participant
    order: str


@dataclass
class Peer:
    """One that verifies and shows a certificate, and what the servers were told of it.

    If it `drains`, it tells after which `order` none of its connections of before is left.
    """

    name: Participant
    trusts: frozenset[AuthorityId]
    leaf: Leaf
    accepts: frozenset[AuthorityId] = frozenset()
    awake: bool = True
    lies: bool = False  # it acknowledges what it does not use, and is seen to
    unheard: list[Seen] = field(default_factory=list)
    heard: Seen | None = None
    drains: bool = False
    order: str = ""
    shown: frozenset[str] = frozenset()

    def take_up(self, published: frozenset[AuthorityId]) -> None:
        if not self.lies:
            self.trusts = published
        self.say(published)

    def say(self, acknowledged: frozenset[AuthorityId] | None = None) -> None:
        doubt = "its /certs shows other roots" if self.lies else ""
        trusts = self.trusts if acknowledged is None else acknowledged
        remade = self.shown if self.drains else None
        told = Seen(self.name, trusts, self.accepts, frozenset({self.leaf.root}), NOON, doubt=doubt, remade=remade)
        self.unheard = [*self.unheard, told][-3:]
