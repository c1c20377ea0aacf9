"""A signature: the recognised shape of a failure, keyed on who wrote it, where, in which build, under which TLS.

One text does not mean one cause. A signature therefore lists every cause that is known to produce it, with a weight:
how often, before anything else is known. What separates them is in `tells`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from trustplane.fault import Broken
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.failure import Failure, Implementation, Side, Tls


class Voice(Enum):
    """Who speaks in the record, and so how far it can be believed."""

    VERIFIER = "verifier"  # the side that refused, in its own words
    UNEXPLAINED = "unexplained"  # the side that refused, without a reason
    ALERT = "alert"  # the side that was refused, repeating an alert that many faults share
    SILENCE = "silence"  # the side that was refused, told nothing
    OWN = "own"  # something wrong on this side alone; nothing about the other

    # Looked up several times for each failure; by its name, as Enum does it, that is a tenth of a diagnosis.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Match:
    """All of `words` occur in the text, none of `never`; compared in lower case, with `_` as a space.

    `build` is the first build it holds for and the first it no longer does. `flags` and `details` are of proxies.
    `completed` says whether the peer's certificate was seen.
    """

    words: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    side: Side | None = None
    tls: Tls | None = None
    build: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    flags: str = ""
    details: str = ""
    empty: bool = False
    completed: bool | None = None

    def __post_init__(self) -> None:
        if not (self.words or self.flags or self.details):
            raise _invalid("a match has nothing to look for")
        if any(word != plain(word) for word in (*self.words, *self.never, self.details)):
            raise _invalid(f"{self.words!r} is not in the form that texts are compared in")

    def takes(self, failure: Failure, text: str) -> bool:
        """`text` is the failure's, made plain."""
        if not all(word in text for word in self.words) or any(word in text for word in self.never):
            return False
        if self.empty and text:
            return False
        return self._in_place(failure) and self._in_record(failure)

    def _in_place(self, failure: Failure) -> bool:
        """What is unknown of a record excludes nothing."""
        if self.side and failure.side and self.side is not failure.side:
            return False
        if self.tls and failure.tls and self.tls is not failure.tls:
            return False
        if self.build != ((), ()) and failure.build:
            first, after = self.build
            return first <= failure.build and not (after and failure.build >= after)
        return True

    def _in_record(self, failure: Failure) -> bool:
        if self.flags and self.flags not in failure.flags.split(","):
            return False
        if self.details and self.details not in plain(failure.details):
            return False
        return self.completed is None or self.completed == bool(failure.theirs.spiffe_id or failure.theirs.not_after)


@dataclass(frozen=True, slots=True)
class Signature:
    """`number` is its place in docs/signatures.md and never changes. `judged` is the side whose certificate, or whose
    conduct, was found wanting, where the signature says so."""

    id: str
    number: int
    implementation: Implementation
    match: Match
    causes: tuple[tuple[str, float], ...]
    voice: Voice
    tells: str
    judged: Side | None = None

    def __post_init__(self) -> None:
        unheard = [cause for cause, _ in self.causes if cause not in CAUSES]
        if unheard or not self.causes:
            raise _invalid(f"signature {self.id} names causes that are none: {unheard}")
        if any(not 0 < weight <= 1 for _, weight in self.causes) or sum(weight for _, weight in self.causes) > 1.001:
            raise _invalid(f"the weights of signature {self.id} are no shares of one")
        if list(self.causes) != sorted(self.causes, key=lambda one: -one[1]):
            raise _invalid(f"the causes of signature {self.id} do not begin with the likeliest")

    @property
    def runbook(self) -> str:
        return CAUSES[self.causes[0][0]].runbook


def plain(text: str) -> str:
    """As texts are compared: Envoy's file logs write every space as an underscore."""
    return text.replace("_", " ").lower()


def _invalid(why: str) -> Broken:
    return Broken(
        code="bad-signature-catalogue",
        what="the catalogue of signatures contradicts itself",
        why=why,
        fix="report it: the catalogue is part of trustplane",
    )
