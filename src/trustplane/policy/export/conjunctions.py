"""A condition as alternatives, each a list of what must hold and what must not: the form other meshes take rules in.

What one atom already says of another is left out, and alternatives that can never hold are dropped: an exact path
answers every other question about the path. The number of alternatives is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from trustplane.fault import Refused
from trustplane.policy.tree import (
    AllOf,
    AnyOf,
    Anything,
    Expression,
    HeaderIs,
    HeaderPresent,
    Leaf,
    Method,
    Not,
    Path,
    Request,
    Unambiguous,
    holds,
)
from trustplane.spiffe.ids import SpiffeId

MAX_ALTERNATIVES = 64

_Literal: TypeAlias = tuple[Leaf, bool]


@dataclass(frozen=True, slots=True)
class Conjunction:
    holds: tuple[Leaf, ...]
    fails: tuple[Leaf, ...]

    def methods(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.holds if isinstance(one, Method))

    def paths(self) -> tuple[Path, ...]:
        return tuple(one for one in self.holds if isinstance(one, Path))

    def headers(self) -> tuple[HeaderIs, ...]:
        return tuple(one for one in self.holds if isinstance(one, HeaderIs))


def conjunctions(expression: Expression) -> tuple[Conjunction, ...]:
    found = (_simplified(one) for one in _alternatives(expression, wanted=True))
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _alternatives(expression: Expression, *, wanted: bool) -> list[frozenset[_Literal]]:
    match expression:
        case Not(item):
            return _alternatives(item, wanted=not wanted)
        case Anything():
            return [frozenset()] if wanted else []
        case AllOf(items) | AnyOf(items):
            parts = [_alternatives(item, wanted=wanted) for item in items]
            together = isinstance(expression, AllOf) is wanted
            return _bounded(frozenset().union(*one) for one in product(*parts)) if together else _bounded(_each(parts))
        case _:
            return [frozenset({(expression, wanted)})]


def _each(parts: list[list[frozenset[_Literal]]]) -> Iterator[frozenset[_Literal]]:
    for part in parts:
        yield from part


def _bounded(found: Iterable[frozenset[_Literal]]) -> list[frozenset[_Literal]]:
    kept: dict[frozenset[_Literal], None] = {}
    for one in found:
        kept[one] = None
        if len(kept) > MAX_ALTERNATIVES:
            raise Refused(
                code="export-too-complex",
                what=f"this condition has more than {MAX_ALTERNATIVES} alternatives",
                why="another mesh takes a rule as a list of them, and what is written there must be bounded",
                fix="write several rules, or fewer alternatives in each",
            )
    return list(kept)


def _simplified(literals: frozenset[_Literal]) -> Conjunction | None:
    """None where it can never hold."""
    if any((leaf, not wanted) in literals for leaf, wanted in literals):
        return None
    yes = sorted((leaf for leaf, wanted in literals if wanted), key=repr)
    no = sorted((leaf for leaf, wanted in literals if not wanted), key=repr)
    kept = _kept(yes, no)
    return None if kept is None else Conjunction(tuple(kept[0]), tuple(kept[1]))


def _kept(yes: list[Leaf], no: list[Leaf]) -> tuple[list[Leaf], list[Leaf]] | None:
    methods = [one for one in yes if isinstance(one, Method)]
    if len(methods) > 1:
        return None
    if methods:
        no = [one for one in no if not isinstance(one, Method)]
    told = {one.name for one in yes if isinstance(one, HeaderIs)}
    yes = [one for one in yes if not (isinstance(one, HeaderPresent) and one.name in told)]
    exact = next((one for one in yes if isinstance(one, Path) and len(one.parts) == 1), None)
    return _at_path(exact, yes, no) if exact else _below(yes, no)


def _at_path(exact: Path, yes: list[Leaf], no: list[Leaf]) -> tuple[list[Leaf], list[Leaf]] | None:
    at = Request(_ANYONE, "", exact.parts[0])
    if not all(holds(one, at) for one in yes if _about_path(one)) or any(
        holds(one, at) for one in no if _about_path(one)
    ):
        return None
    others = [one for one in yes if not _about_path(one)]
    return [*others, exact], [one for one in no if not _about_path(one)]


def _below(yes: list[Leaf], no: list[Leaf]) -> tuple[list[Leaf], list[Leaf]] | None:
    """Of several prefixes the longest, if it begins with the others."""
    prefixes = [one for one in yes if isinstance(one, Path) and len(one.parts) == 2 and not one.parts[1]]
    if len(prefixes) < 2:
        return yes, no
    longest = max(prefixes, key=lambda one: len(one.parts[0]))
    if not all(longest.parts[0].startswith(one.parts[0]) for one in prefixes):
        return None
    return [one for one in yes if one not in prefixes or one == longest], no


def _about_path(leaf: Leaf) -> bool:
    return isinstance(leaf, Path | Unambiguous)


_ANYONE = SpiffeId.parse("spiffe://nobody.invalid/nobody")
