"""What a fleet holds, in few words: how many things as desired, and those that are not, each by name up to a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trustplane.registry.records import Holding

VIEW = "view"  # what an agent holds of it is reported; what it should hold is the server's to say
MOST_OTHERWISE = 5000


@dataclass(frozen=True, slots=True)
class Uptake:
    """`otherwise`: what differs, was refused or is in doubt. `left_off`: as many more."""

    held: int = 0
    differing: int = 0
    otherwise: tuple[Holding, ...] = ()
    left_off: int = 0

    def with_views(self, views: Sequence[Holding]) -> Uptake:
        """Those that are about views besides, with what they should hold by now."""
        otherwise = [one for one in views if is_otherwise(one)]
        shown = (*otherwise, *self.otherwise)[:MOST_OTHERWISE]
        differing = sum(one.held != one.desired for one in views)
        return replace(
            self,
            held=self.held + len(views) - differing,
            differing=self.differing + differing,
            otherwise=shown,
            left_off=self.left_off + len(self.otherwise) + len(otherwise) - len(shown),
        )


def is_otherwise(one: Holding) -> bool:
    return one.held != one.desired or bool(one.refusal)


def uptake(holdings: Sequence[Holding]) -> Uptake:
    """As a store counts it."""
    otherwise = [one for one in holdings if is_otherwise(one)]
    differing = sum(one.held != one.desired for one in holdings)
    shown = tuple(otherwise[:MOST_OTHERWISE])
    return Uptake(len(holdings) - differing, differing, shown, len(otherwise) - len(shown))
