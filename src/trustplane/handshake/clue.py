"""Clues: one thing that is known beside the signature, and what it says for or against a cause."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Weighs(Enum):
    PROVES = "proves"  # seen in the certificate or the list itself
    FAVOURS = "favours"
    AGAINST = "against"
    EXCLUDES = "excludes"

    # Looked up for each clue of each failure; by its name, as Enum does it, that takes four times as long.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Clue:
    cause: str
    weighs: Weighs
    says: str


def proves(cause: str, says: str) -> Clue:
    return Clue(cause, Weighs.PROVES, says)


def favours(cause: str, says: str) -> Clue:
    return Clue(cause, Weighs.FAVOURS, says)


def against(cause: str, says: str) -> Clue:
    return Clue(cause, Weighs.AGAINST, says)


def excludes(cause: str, says: str) -> Clue:
    return Clue(cause, Weighs.EXCLUDES, says)
