"""Which signatures a text can have at all: most are ruled out without being tried.

Where it is known who wrote a text, its signatures are few and each is asked for its longest part. Among those of all
programs one is looked up by a word: a signature's parts may begin and end within longer words of a text, but what lies
between is whole, and the rarest such word is its key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from trustplane.handshake.failure import Failure
from trustplane.handshake.signature import Match, Signature

_WORD: Final = re.compile(r"[a-z0-9]{2,}")
_INNER: Final = re.compile(r"(?<=[^a-z0-9])[a-z0-9]{2,}(?=[^a-z0-9])")


class Anchored:
    """Signatures of one program, in the order in which they are tried."""

    def __init__(self, rules: Sequence[Signature]) -> None:
        self._rules = tuple((_part(rule.match), rule) for rule in rules)

    def first(self, failure: Failure, text: str) -> Signature | None:
        """`text` is the failure's, made plain. The first that takes a failure is its signature."""
        for part, rule in self._rules:
            if part in text and rule.match.takes(failure, text):
                return rule
        return None


class ByWord:
    """Signatures of all programs, in the order in which they are tried."""

    def __init__(self, rules: Sequence[Signature]) -> None:
        often = Counter(word for rule in rules for word in set(_inner(rule.match)))
        self._by_key: dict[str, list[tuple[int, Signature]]] = {}
        self._keyless: list[tuple[int, Signature]] = []
        for place, rule in enumerate(rules):
            key = min(_inner(rule.match), key=lambda word: (often[word], word), default=None)
            into = self._keyless if key is None else self._by_key.setdefault(key, [])
            into.append((place, rule))
        self._keys = frozenset(self._by_key)

    def first(self, failure: Failure, text: str) -> Signature | None:
        """`text` is the failure's, made plain."""
        keys = self._keys.intersection(_WORD.findall(text))
        found = [one for key in keys for one in self._by_key[key]] + self._keyless
        found.sort(key=_place)
        return next((rule for _, rule in found if _part(rule.match) in text and rule.match.takes(failure, text)), None)


def _place(one: tuple[int, Signature]) -> int:
    return one[0]


def _part(match: Match) -> str:
    return max(match.words, key=len, default="")


def _inner(match: Match) -> Iterator[str]:
    return (one for word in match.words for one in _INNER.findall(word))
