"""What was seen of a change of root by someone who believes nobody, and whether its two promises were kept.

Seen are each Envoy's own secrets, the requests in its log and what agents and servers say they hold. The judge knows
nothing of phases, gates or proofs: only which root was trusted, shown and used by whom, and when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

Leaf = tuple[str, datetime]  # an identity and when its certificate ends: what both sides of a call log


@dataclass(frozen=True)
class Spell:
    """From `begun` on `who` held these roots, or a leaf below one, and did so still when it was `seen` last."""

    who: str
    thing: str
    roots: frozenset[str]
    begun: datetime
    seen: datetime
    leaf: Leaf | None = None


@dataclass(frozen=True)
class Change:
    """As the audit log tells it: when the acts began."""

    domain: str
    leaving: str
    coming: str
    switched: datetime
    retired: datetime


@dataclass
class Used:
    """Of one leaf, in the requests that were made with it."""

    first: datetime
    last: datetime
    requests: int = 0


@dataclass
class Witness:
    """`trust` and `leaves` by whom and what; a spell ends where the next begins."""

    trust: defaultdict[tuple[str, str], list[Spell]] = field(default_factory=lambda: defaultdict(list))
    leaves: defaultdict[tuple[str, str], list[Spell]] = field(default_factory=lambda: defaultdict(list))
    used: dict[Leaf, Used] = field(default_factory=dict)

    def trusts(self, spell: Spell) -> None:
        _add(self.trust[spell.who, spell.thing], spell)

    def shows(self, spell: Spell) -> None:
        _add(self.leaves[spell.who, spell.thing], spell)

    def uses(self, leaf: Leaf, at: datetime) -> None:
        used = self.used.setdefault(leaf, Used(at, at))
        used.first, used.last = min(used.first, at), max(used.last, at)
        used.requests += 1

    def ends_first(self) -> datetime | None:
        """When the leaf that ends soonest of those that Envoys show now ends."""
        last = [spells[-1] for spells in self.leaves.values() if not spells[-1].who.startswith("server ")]
        return min((one.leaf[1] for one in last if one.leaf), default=None)

    def broken_promises(self, change: Change) -> list[str]:
        return [*self._switched_early(change), *self._retired_early(change)]

    def _switched_early(self, change: Change) -> Iterator[str]:
        for (who, thing), spells in self.trust.items():
            if thing == change.domain and not _held(spells, change.coming, change.switched):
                seen = "; ".join(f"{one.begun:%X.%f} to {one.seen:%X.%f}: {sorted(one.roots)}" for one in spells)
                yield f"{who} did not trust the new root of {thing} when it began to sign at {change.switched}: {seen}"
        for spell in self._below(change.coming):
            if spell.begun < change.switched:
                yield f"{spell.who} showed a leaf below the new root {change.switched - spell.begun} before the switch"
        for leaf, used in self._requests_below(change.coming):
            if used.first < change.switched:
                yield f"a request was made with {leaf[0]} below the new root before the switch"

    def _retired_early(self, change: Change) -> Iterator[str]:
        for spell in self._below(change.leaving):
            assert spell.leaf is not None
            if spell.leaf[1] > change.retired:
                yield f"a leaf of {spell.leaf[0]} below the old root was valid after it had left"
            if spell.seen > change.retired:
                yield f"{spell.who} showed a leaf below the old root after it had left"
        for leaf, used in self._requests_below(change.leaving):
            if used.last > change.retired:
                yield f"a connection made with {leaf[0]} below the old root was used {used.last - change.retired} late"

    def _below(self, root: str) -> Iterator[Spell]:
        return (one for spells in self.leaves.values() for one in spells if root in one.roots)

    def _requests_below(self, root: str) -> Iterator[tuple[Leaf, Used]]:
        known = {one.leaf for one in self._below(root)}
        return ((leaf, used) for leaf, used in self.used.items() if leaf in known)

    def requests_below(self, roots: Iterable[str]) -> int:
        """So many requests were made with leaves known to be below these: nothing is proven by a blind judge."""
        return sum(used.requests for root in roots for _, used in self._requests_below(root))


def _add(spells: list[Spell], spell: Spell) -> None:
    if spells and (spells[-1].roots, spells[-1].leaf) == (spell.roots, spell.leaf):
        spells[-1] = replace(spells[-1], seen=spell.seen)
    else:
        spells.append(spell)


def _held(spells: list[Spell], root: str, at: datetime) -> bool:
    """Who was not there yet had nothing to trust."""
    before = [one for one in spells if one.begun <= at]
    return not before or root in before[-1].roots
