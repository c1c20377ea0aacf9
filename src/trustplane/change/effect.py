"""One sentence on what a change does, and the item of the plan it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from trustplane.change.described import Kind

Subject: TypeAlias = tuple[Kind, str]


@dataclass(frozen=True, slots=True, order=True)
class Effect:
    text: str
    dangerous: bool = False
