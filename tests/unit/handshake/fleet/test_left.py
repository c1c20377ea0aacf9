"""What is left is counted as if it were counted anew each time."""

from __future__ import annotations

from random import Random

from tests.kit.planted_fleet import fleet
from trustplane.handshake.fleet.left import Left, Sizes
from trustplane.handshake.fleet.values import Explains, by_value


def anew(values: list[Explains], failing: frozenset[int], gone: frozenset[int]) -> dict[int, Sizes]:
    found = {}
    for place, one in enumerate(values):
        exposed, known = one.exposed - gone, one.known - gone
        found[place] = (len(known), len(exposed), len(known & failing), len(exposed & failing))
    return found


def test_counts_are_those_of_what_was_not_taken_away() -> None:
    random = Random(7)
    values = by_value(fleet(random))
    failing = frozenset(random.sample(range(300), 90))
    left, gone = Left(values, failing), frozenset[int]()
    for taken in ([], range(40), range(20, 60), random.sample(range(300), 150)):
        gone |= frozenset(taken)
        left.without(frozenset(taken))
        expected = anew(values, failing, gone)
        assert dict(left.sizes(0)) == expected
        assert dict(left.sizes(3)) == {place: one for place, one in expected.items() if one[3] >= 3}
        assert all(left.of(place).exposed == one.exposed - gone for place, one in enumerate(values))
