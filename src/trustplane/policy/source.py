"""policy.cedar: bytes to policies as Cedar's own parser reads them, each with its words and their places.

Everything that does not parse is found at once, policy by policy. Where Cedar's parser only says what it stumbled
over, the place is found by parsing ever shorter beginnings: the shortest that cannot be continued ends in the culprit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import cedarpy
from cedarpy import pst

from trustplane.fault import Place, Refused
from trustplane.policy.words import Reader, Word, words
from trustplane.registry.findings import Findings, shown

MAX_POLICIES = 2_000
# Cedar's parser calls itself once for each of these, and a few thousand end the whole process.
MAX_CHAINED = 600
_CHAINING = frozenset({"&&", "||", "+", "-", "*", "!", ".", "[", "if", "has"})
MAX_WORDS = 6_000


@dataclass(frozen=True, slots=True)
class PolicySource:
    """One policy: its tree from Cedar's parser, and its own text."""

    tree: pst.Template
    text: str
    words: tuple[Word, ...]

    @property
    def place(self) -> Place:
        return self.words[0].place

    def reader(self) -> Reader:
        return Reader(self.words)


def policies(file: str, text: str, findings: Findings) -> tuple[PolicySource, ...]:
    """Those that parse; `findings` knows the others."""
    with findings.at(Place(file, 1)):
        pieces = list(_pieces(words(file, text)))
        if len(pieces) > MAX_POLICIES:
            raise Refused(
                code="too-many-entries",
                what=f"{shown(file)} has {len(pieces)} policies",
                why=f"what is read must be bounded: {MAX_POLICIES} are allowed",
                fix="use groups, namespaces and lists of operations",
            )
        found = []
        for piece in pieces:
            with findings.at(piece[0].place):
                found.append(_parsed(text[piece[0].start : piece[-1].end], piece))
        return tuple(found)
    return ()


def _pieces(found: tuple[Word, ...]) -> Iterator[tuple[Word, ...]]:
    piece: list[Word] = []
    for word in found:
        piece.append(word)
        if word.text == ";":
            yield tuple(piece)
            piece = []
    if piece:
        yield tuple(piece)


def _parsed(text: str, piece: tuple[Word, ...]) -> PolicySource:
    if sum(word.text in _CHAINING for word in piece) > MAX_CHAINED or len(piece) > MAX_WORDS:
        raise _too_long(piece[0].place)
    try:
        tree = cedarpy.policies_to_pst(text)
    except ValueError as error:
        if "nesting exceeds" in str(error):
            raise _too_long(piece[0].place) from error
        raise _syntax(str(error), piece) from error
    if tree.templates:
        slot = next(word for word in piece if word.kind == "slot")
        raise Refused(
            code="policy-template-slot",
            what=f"{slot.text} is a slot of a Cedar template",
            why="nothing fills it here, and Cedar ignores a template that is not linked",
            fix="name the service, or use a template in policy.yaml: trustplane policy new --help",
            place=slot.place,
        )
    return PolicySource(next(iter(tree.static_policies.values())), text, piece)


def _too_long(place: Place) -> Refused:
    return Refused(
        code="policy-too-long",
        what="this policy asks too much at once",
        why="what is read, and what a proxy is given, must be bounded: about a hundred conditions in one policy",
        fix="write several policies, or use groups, namespaces and lists of paths: [...].contains(context.path)",
        place=place,
    )


def _syntax(problem: str, piece: tuple[Word, ...]) -> Refused:
    culprit = _culprit(problem, piece)
    return Refused(
        code="bad-cedar",
        what=f"this is not Cedar: {shown(problem)}",
        why="a policy that cannot be parsed decides nothing",
        fix='compare with: @id("charge") permit (principal == Service::"shop/checkout", action == Action::"charge", '
        "resource);",
        place=culprit.place,
    )


def _culprit(problem: str, piece: tuple[Word, ...]) -> Word:
    if "end of input" in problem:
        return piece[-1]
    if "unexpected token" not in problem:
        named = re.findall(r"`([^`]+)`|: (\w+)$", problem)
        names = {one.strip("@") for pair in named for one in pair if one}
        return next((word for word in piece if word.text in names), piece[0])
    low, high = 0, len(piece)  # the first `low` words can be continued, the first `high` cannot
    while high - low > 1:
        middle = (low + high) // 2
        if _continues(piece[:middle]):
            low = middle
        else:
            high = middle
    return piece[high - 1]


def _continues(piece: tuple[Word, ...]) -> bool:
    try:
        cedarpy.policies_to_pst(" ".join(word.text for word in piece))
    except ValueError as error:
        return "unexpected token" not in str(error)
    return True
