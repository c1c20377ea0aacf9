"""The values of every dimension, each with the subjects that have it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trustplane.handshake.fleet.subject import MAX_VALUE, Subject

MAX_SUBJECTS = 50_000
CHANGE = "change"

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Explains:
    """`exposed` have the value; of `known` it is known whether they have. Both are places in the list of subjects."""

    name: Name
    exposed: frozenset[int]
    known: frozenset[int]


def by_value(subjects: Sequence[Subject]) -> list[Explains]:
    """Without those that all have: they tell nothing apart."""
    having: dict[Name, set[int]] = defaultdict(set)
    known: dict[str, set[int]] = defaultdict(set)
    for place, one in enumerate(subjects):
        for dimension, values in one.facts.items():
            for value in values:
                having[dimension, value[:MAX_VALUE]].add(place)
            if values:
                known[dimension].add(place)
    knowing = {dimension: frozenset(places) for dimension, places in known.items()}
    return [
        Explains(name, frozenset(places), knowing[name[0]])
        for name, places in sorted(having.items())
        if len(places) < len(knowing[name[0]])
    ]


def named_together(same: Iterable[Explains]) -> tuple[Name, ...]:
    """The plainest first: what things are before what was done to them, and what is said of both ends before one."""
    return tuple(sorted((one.name for one in same), key=lambda name: (name[0] == CHANGE, len(name[0].split()), name)))
