"""The words of Cedar text, each with its place.

Cedar's parser tells neither line nor column of what it has read, and people need both. Words are what it lexes: names,
numbers, strings, signs; comments and space fall between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.fault import Place, Refused

MAX_NESTING = 50
_WORD = re.compile(
    r'(?P<space>[ \t\r\n]+|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<name>[A-Za-z_][A-Za-z0-9_]*)'
    r"|(?P<slot>\?[A-Za-z_][A-Za-z0-9_]*|\$[a-z_]+)|(?P<number>[0-9]+)|(?P<sign>::|==|!=|<=|>=|&&|\|\||[^\s\"])"
)
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    kind: str
    start: int  # in the file's text
    place: Place

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def words(file: str, text: str) -> tuple[Word, ...]:
    found = list(_words(file, text))
    _check_nesting(found)
    return tuple(found)


def _words(file: str, text: str) -> Iterator[Word]:
    at, line, line_start = 0, 1, 0
    while at < len(text):
        found = _WORD.match(text, at)
        place = Place(file, line, at - line_start + 1)
        if found is None or found.lastgroup is None:
            raise Refused(
                code="bad-cedar",
                what="a string starts here and does not end on this line",
                why="a policy that cannot be parsed decides nothing",
                fix='close it with "',
                place=place,
            )
        if found.lastgroup != "space":
            yield Word(found[0], found.lastgroup, at, place)
        newlines = found[0].count("\n")
        if newlines:
            line += newlines
            line_start = found.start() + found[0].rindex("\n") + 1
        at = found.end()


def _check_nesting(found: list[Word]) -> None:
    depth = 0
    for word in found:
        depth += (word.text in _OPENING) - (word.text in _CLOSING)
        if depth > MAX_NESTING:
            raise Refused(
                code="nested-too-deeply",
                what=f"this is nested more than {MAX_NESTING} levels deep",
                why="no rule needs that, and what is read must be bounded",
                fix="split the rule",
                place=word.place,
            )


class Reader:
    """Finds the places of what the parser saw, as long as it is asked in the order of the text."""

    def __init__(self, among: tuple[Word, ...]) -> None:
        self._words = among
        self._next = 0

    def place(self, text: str) -> Place:
        """Of the next word with this text; of the last one found, if there is none."""
        for at in range(self._next, len(self._words)):
            if self._words[at].text == text:
                self._next = at + 1
                break
        return self._words[max(self._next - 1, 0)].place
