"""The one line that says what failures have in common, the same wherever it is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10

from trustplane.handshake.fleet.values import CHANGE, Name

_LEAST = 1e-300


@dataclass(frozen=True, slots=True)
class Headline:
    """`first` is the plainest of the values, `since` the changes that the failures began after."""

    failures: int
    of_failures: int
    first: Name
    since: tuple[str, ...]
    expected: float
    chance: float

    def __str__(self) -> str:
        all_of_them = self.failures == self.of_failures
        many = f"All {self.failures} failures" if all_of_them else f"{self.failures} of {self.of_failures} failures"
        value = self.first[1]
        have = f"began after {value}" if value in self.since else f"are {named(self.first)}"
        changes = " or ".join(one for one in self.since if one != value)
        since = f" since {changes}" if changes else ""
        return f"{many} {have}{since} (expected by chance {self.expected:.0f}; {below(self.chance)})"


def named(name: Name) -> str:
    dimension, value = name
    return f"of what {value} changed" if dimension == CHANGE else f"{dimension} {value}"


def links_line(failing: int, of_failing: int, links: int, share: float, lift: float) -> str:
    of_them = f"{failing} of {of_failing} that fail, {links} of all ({share:.1%})"
    return f"{of_them}; {lift:.1f} times as many as by chance"


def below(chance: float) -> str:
    """As a power of ten that it is below."""
    return f"p < 1e{ceil(log10(max(chance, _LEAST)) + 1e-9)}"
