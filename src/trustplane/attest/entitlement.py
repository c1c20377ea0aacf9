"""Which claims a process is entitled to: those whose every selector it shows.

A claim without selectors is nobody's. Order is kept, because the first identity is a workload's default (WA-15).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from trustplane.spiffe.selectors import Selector


class Claim(Protocol):
    @property
    def selectors(self) -> frozenset[Selector]: ...


Claimed = TypeVar("Claimed", bound=Claim)


def entitled(claims: Sequence[Claimed], shown: frozenset[Selector]) -> tuple[Claimed, ...]:
    return tuple(claim for claim in claims if claim.selectors and claim.selectors <= shown)


def needs_digest(claims: Iterable[Claim]) -> bool:
    """Whether any claim asks for the executable's digest, which costs reading the whole file."""
    return any(selector.kind == "unix:sha256" for claim in claims for selector in claim.selectors)
