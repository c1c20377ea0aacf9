"""What the audit log says of proposals. The act itself is told by whoever does it, under the same number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from trustplane.audit.events import MAX_TEXT, Plain, canonical


@dataclass(frozen=True, slots=True)
class Which:
    """The digest commits to all that was proposed and shown."""

    number: int
    kind: str
    digest: str


def proposed(which: Which, terms: Mapping[str, str], by: str, why: str, at: datetime) -> bytes:
    listed: Plain = {name: value[:MAX_TEXT] for name, value in terms.items()}
    return canonical("proposal-made", at, {**_of(which), "terms": listed, "by": by[:MAX_TEXT], "why": why[:MAX_TEXT]})


def decided(step: str, which: Which, by: str, word: str, at: datetime) -> bytes:
    """`step` is `approved`, which is the intent of what is done then, `refused`, `withdrawn` or `expired`."""
    return canonical(f"proposal-{step}", at, {**_of(which), "by": by[:MAX_TEXT], "word": word[:MAX_TEXT]})


def glass_broken(which: Which, terms: Mapping[str, str], by: str, why: str, at: datetime) -> bytes:
    """Someone does alone what another should have approved. The intent of what is done then."""
    listed: Plain = {name: value[:MAX_TEXT] for name, value in terms.items()}
    return canonical("glass-broken", at, {**_of(which), "terms": listed, "by": by[:MAX_TEXT], "why": why[:MAX_TEXT]})


def outcome(which: Which, told: str, at: datetime, *, done: bool) -> bytes:
    return canonical("proposal-outcome", at, {**_of(which), "told": told[:MAX_TEXT], "done": done})


def _of(which: Which) -> dict[str, Plain]:
    return {"number": which.number, "kind": which.kind, "digest": which.digest}
