"""Every path there can be, told apart by a set of questions: a walk through their automata, shortest paths first.

A question is a `Path` (exact texts around wildcards) or `Unambiguous`. The automaton of all questions together is made
state by state while it is walked: in each state only those questions are carried along that can still say yes, and only
those characters are tried that one of them waits for, and one that none does. So thousands of questions that begin
alike cost about as much as their letters. Paths are those a proxy can hand to a rule: normalised (`policy.target`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from trustplane.fault import Refused
from trustplane.policy.tree import Path, Unambiguous

MAX_STATES = 400_000
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_~ABCDEFGHIJKLMNOPQRSTUVWXYZ!$&'()*+,:=@|^`{}[];%"

Question: TypeAlias = Path | Unambiguous
# A question's place among all, and the positions it may have reached, as bits.
Live: TypeAlias = tuple[int, int]
State: TypeAlias = tuple[str, str, tuple[Live, ...]]

# Where in a path: at its start, after a slash, in a segment, after a segment's first one or two dots.
_START, _SLASH, _SEGMENT, _DOT, _DOTS = "start", "slash", "segment", "dot", "dots"
_WHOLE = frozenset({_SLASH, _SEGMENT})
# How far a spelling has come that servers read in different ways (decisions/0044), by the two letters that make it.
_CLEAN, _LOST = "", "lost"
_SECOND = {"%0": "", "%1": "", "%2": "eEfF5", "%3": "bB", "%5": "cC", "%7": "fF"}


class Glob:
    """The automaton of a `Path`, its positions as bits: which a character leads on from, and which are wildcards."""

    def __init__(self, path: Path) -> None:
        self.stars = 0
        self.leads: dict[str, int] = {}
        at = 0
        for number, part in enumerate(path.parts):
            if number:
                self.stars |= 1 << at
                at += 1
            for character in part:
                self.leads[character] = self.leads.get(character, 0) | 1 << at
                at += 1
        self.end = 1 << at
        # Once a wildcard at the end is reached, every continuation is a match.
        self.rest = 1 << (at - 1) if len(path.parts) > 1 and not path.parts[-1] else 0
        self.start = self._closed(1)

    def step(self, reached: int, character: str) -> int:
        return self._closed((reached & self.leads.get(character, 0)) << 1 | reached & self.stars)

    def waits_for(self, reached: int) -> list[str]:
        if self.rest and reached & self.rest:
            return []
        return [character for character, bits in self.leads.items() if bits & reached]

    def _closed(self, reached: int) -> int:
        closed = reached | (reached & self.stars) << 1
        return self.rest | self.end if self.rest and closed & self.rest else closed


class Walk:
    """Iterating yields each state that is a whole path, with the questions that say yes there."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._globs = {at: Glob(one) for at, one in enumerate(questions) if isinstance(one, Path)}
        self._unambiguous = frozenset(at for at, one in enumerate(questions) if isinstance(one, Unambiguous))
        self._came_from: list[tuple[int, str]] = [(-1, "")]
        self._waits: dict[Live, list[str]] = {}
        self._gave_up = False  # was where no question can say yes any more, which is one place for all

    def __iter__(self) -> Iterator[tuple[int, frozenset[int]]]:
        start: State = (_START, _CLEAN, tuple((at, glob.start) for at, glob in self._globs.items()))
        seen = {start}
        states = [start]
        for node, state in enumerate(states):  # grows while it is walked
            if state[0] in _WHOLE:
                yield node, self._said_yes(state)
            for character, following in self._steps(state):
                if following not in seen:
                    seen.add(following)
                    states.append(following)
                    self._came_from.append((node, character))
            if len(states) > MAX_STATES:
                raise _too_many()

    def path(self, node: int) -> str:
        """The shortest that leads there."""
        letters: list[str] = []
        while node > 0:
            node, letter = self._came_from[node]
            letters.append(letter)
        return "".join(reversed(letters))

    def _said_yes(self, state: State) -> frozenset[int]:
        _, spelling, live = state
        yes = frozenset([at for at, reached in live if reached & self._globs[at].end])
        return yes if spelling == _LOST else yes | self._unambiguous

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        where, spelling, live = state
        # A slash or dot nobody waits for leads nowhere that another character would not.
        waiting: dict[str, list[Live]] = {"/": []} if where == _START else {}
        carried: list[Live] = []  # by a wildcard, whatever comes
        for one in live:
            at, reached = one
            glob = self._globs[at]
            if reached & glob.stars:
                carried.append(one)
            for character in self._waited(one):
                waiting.setdefault(character, []).append(one)
        for character in self._spelt(spelling):
            waiting.setdefault(character, [])
        if where != _START and (carried or self._unambiguous or not self._gave_up):
            self._gave_up |= not carried
            waiting.update([(next(one for one in _CHARACTERS if one not in waiting), [])])
        for character in sorted(waiting):
            moved = _moved(where, character)
            if moved is not None:
                yield (
                    character,
                    (moved, self._spelling(spelling, character), self._led(waiting[character], carried, character)),
                )

    def _led(self, waiting: list[Live], carried: list[Live], character: str) -> tuple[Live, ...]:
        if not carried:
            return tuple([(at, self._globs[at].step(reached, character)) for at, reached in waiting])
        found = dict(waiting) | dict(carried)
        return tuple([(at, self._globs[at].step(found[at], character)) for at in sorted(found)])

    def _waited(self, one: Live) -> list[str]:
        if one not in self._waits:
            self._waits[one] = self._globs[one[0]].waits_for(one[1])
        return self._waits[one]

    def _spelt(self, spelling: str) -> str:
        """The characters that lead on to, or make, an ambiguous spelling."""
        if not self._unambiguous or spelling == _LOST:
            return ""
        return {_CLEAN: ";%", "%": ";%012357"}.get(spelling, ";%" + _SECOND.get(spelling, ""))

    def _spelling(self, spelling: str, character: str) -> str:
        if not self._unambiguous or spelling == _LOST:
            return spelling
        if character == ";":
            return _LOST
        if character == "%":
            return "%"
        if spelling == "%":
            return _LOST if character in "01" else "%" + character if "%" + character in _SECOND else _CLEAN
        return _LOST if spelling and character in _SECOND[spelling] else _CLEAN


def _moved(where: str, character: str) -> str | None:
    """None where no normalised path goes on like that."""
    if character == "/":
        return _SLASH if where in (_START, _SEGMENT) else None
    if where == _START:
        return None
    if character == "." and where in (_SLASH, _DOT):
        return _DOT if where == _SLASH else _DOTS
    return _SEGMENT


def _too_many() -> Refused:
    return Refused(
        code="policy-too-complex",
        what=f"the paths of these rules cannot be told apart in {MAX_STATES} states",
        why="what is proved must be bounded; patterns with several wildcards multiply",
        fix="use exact paths and prefixes in place of patterns with several wildcards",
    )
