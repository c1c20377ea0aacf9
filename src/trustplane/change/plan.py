"""What applying a trust repository would change, item by item, in words an operator can judge beforehand.

Equal states give an empty plan, and only they do. What cannot be changed in place (the trust domain's name; a profile
under the same version) is refused here, where both states are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from trustplane.change.budget_effects import budget_notes
from trustplane.change.described import Described, Fields, Kind, described
from trustplane.change.effect import Effect
from trustplane.change.effects import effects
from trustplane.fault import Place
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState


class Move(Enum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, order=True)
class FieldChange:
    """Texts as a file would say them; empty where the field is not there."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Item:
    kind: Kind
    name: str
    move: Move
    fields: tuple[FieldChange, ...]
    effects: tuple[Effect, ...] = ()

    @property
    def is_dangerous(self) -> bool:
        return any(effect.dangerous for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Plan:
    """Items are sorted by kind and name. Notes are true of the candidate whether or not it changes anything."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.items

    @property
    def is_dangerous(self) -> bool:
        return any(item.is_dangerous for item in self.items)


def plan(current: DesiredState | None, candidate: DesiredState) -> Plan:
    """`current` is none before anything was applied."""
    if current:
        _check_changeable(current, candidate)
    before: Described = described(current) if current else {}
    after = described(candidate)
    by_subject = effects(current, candidate)
    order = list(Kind)
    changed = (subject for subject in before.keys() | after.keys() if before.get(subject) != after.get(subject))
    return Plan(
        tuple(
            Item(kind, name, _move(old, new), _fields(old or {}, new or {}), by_subject.get((kind, name), ()))
            for kind, name in sorted(changed, key=lambda subject: (order.index(subject[0]), subject[1]))
            for old, new in [(before.get((kind, name)), after.get((kind, name)))]
        ),
        budget_notes(candidate),
    )


def _move(old: Fields | None, new: Fields | None) -> Move:
    if old is None:
        return Move.ADDED
    return Move.REMOVED if new is None else Move.CHANGED


def _fields(old: Fields, new: Fields) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(field, old.get(field, ""), new.get(field, ""))
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    )


def _check_changeable(current: DesiredState, candidate: DesiredState) -> None:
    findings = Findings()
    if current.trust_domain != candidate.trust_domain:
        findings.add(
            code="trust-domain-renamed",
            what=f"the trust domain would change from {current.trust_domain} to {candidate.trust_domain}",
            why="every authority, identity and enrolled node of this server belongs to the first",
            fix=f"write trust_domain: {current.trust_domain}, or start a server for the other trust domain",
            place=Place("trustdomain.yaml", 1),
        )
    for name, profile in sorted(candidate.profiles.items()):
        known = current.profiles.get(name)
        if known and known != profile and known.version == profile.version:
            findings.add(
                code="profile-version-kept",
                what=f"profile {name} changes and is still version {profile.version}",
                why="certificates name the profile and version they were made by; one name must mean one shape",
                fix=f"write version: {profile.version + 1}",
                place=Place(f"profiles/{name}.yaml", 1),
            )
    findings.refuse_if_any()
