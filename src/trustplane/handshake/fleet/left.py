"""What is left to be explained, counted for each value: what is taken away is taken off the counts, subject by subject.

So a round costs as much as there are values, and not as much as they have subjects.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from trustplane.handshake.fleet.values import Explains

Sizes = tuple[int, int, int, int]


class Left:
    def __init__(self, values: Sequence[Explains], failing: frozenset[int]) -> None:
        self._values = values
        self._failing = failing
        self._gone: set[int] = set()
        self._exposed = [len(one.exposed) for one in values]
        self._failed = [0] * len(values)
        self._of: defaultdict[int, list[int]] = defaultdict(list)  # the values of each subject
        for place, one in enumerate(values):
            for subject in one.exposed:
                self._of[subject].append(place)
        for subject in failing:
            for place in self._of[subject]:
                self._failed[place] += 1

    def sizes(self, least: int) -> Iterator[tuple[int, Sizes]]:
        """Of each value that so many failed of: all of which it is known, how many of them have it, how many failed,
        and how many of those have it."""
        of_dimension: dict[str, tuple[int, int]] = {}
        for place, one in enumerate(self._values):
            if self._failed[place] >= least:
                dimension = one.name[0]
                if dimension not in of_dimension:
                    known = one.known - self._gone
                    of_dimension[dimension] = (len(known), len(known & self._failing))
                known_of, known_failed = of_dimension[dimension]
                yield place, (known_of, self._exposed[place], known_failed, self._failed[place])

    def of(self, place: int) -> Explains:
        one = self._values[place]
        return Explains(one.name, one.exposed - self._gone, one.known - self._gone)

    def without(self, subjects: AbstractSet[int]) -> None:
        for subject in subjects - self._gone:
            for place in self._of[subject]:
                self._exposed[place] -= 1
                self._failed[place] -= subject in self._failing
        self._gone |= subjects
