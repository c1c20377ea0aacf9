"""What is known that answers a question: ranked by BM25, with titles and names counting more than the body."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_QUERY: Final = 200
KINDS: Final = ("runbook", "alert", "cause", "signature", "postmortem")
_WORD: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# What each part of an entry counts for. Keys are names it is known by, links those of other entries.
_WEIGHTS: Final = {"title": 4, "keys": 6, "links": 3, "body": 1}
# What leads to doing something goes before what names the trouble: of 350 short signatures some have any word.
_PRIOR: Final = {"runbook": 2.0, "alert": 1.3, "cause": 1.0, "signature": 0.7, "postmortem": 1.2}
# BM25's usual constants: how fast more of a word counts less, and how much a long text is held against it.
_SATURATION, _LENGTH = 1.2, 0.75
_EMPTY: Final = frozenset(
    re.findall(
        r"\w+",
        "the a an is it of to and or in was has my why with do does i we our how can what when that this on for are be "
        "after at its by",
    )
)
# One notion, however people and programs write it; every word becomes the first of its row.
_SAME: Final = {
    word: row[0]
    for row in (
        ("end", "expire", "expired", "expiry", "expiration", "ended"),
        ("certificate", "cert", "svid"),
        ("authority", "ca"),
        ("refuse", "reject", "rejected", "refused", "rejection", "refusal", "denied", "deny"),
        ("renew", "renewal", "renewed"),
        ("rotate", "rotation", "rotated"),
        ("revoke", "revoked", "revocation"),
        ("plaintext", "cleartext", "unencrypted"),
        ("clock", "ntp", "skew"),
        ("unknown", "untrusted"),
    )
    for word in row
}


@dataclass(frozen=True, slots=True)
class Entry:
    """`name` is what to show it by; `page` the runbook it leads to, where it is none itself."""

    kind: str
    name: str
    title: str
    keys: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    body: str = ""
    page: str = ""

    def part(self, name: str) -> str:
        return {
            "title": self.title,
            "keys": " ".join((self.name, *self.keys)),
            "links": " ".join(self.links),
            "body": self.body,
        }[name]


@dataclass(frozen=True, slots=True)
class Hit:
    entry: Entry
    score: float
    line: str  # the line of the body that says most of what was asked


@dataclass(frozen=True, slots=True)
class Index:
    """Entries with their words counted once, so that a question costs no more than its answer."""

    entries: tuple[Entry, ...]
    counts: tuple[Counter[str], ...] = field(init=False, repr=False)
    among: Counter[str] = field(init=False, repr=False)
    mean: float = field(init=False)

    def __post_init__(self) -> None:
        counts = tuple(_counted(one) for one in self.entries)
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "among", Counter(word for one in counts for word in one))
        object.__setattr__(self, "mean", sum(one.total() for one in counts) / len(counts) if counts else 1)

    def search(self, query: str, kinds: Sequence[str] = KINDS) -> list[Hit]:
        """The best first; what has none of the words is left out."""
        wanted = {word for word in _words(query[:MAX_QUERY]) if word not in _EMPTY}
        hits = [
            Hit(entry, round(score, 3), _line(entry, wanted))
            for entry, count in zip(self.entries, self.counts, strict=True)
            if entry.kind in kinds
            and (score := _PRIOR[entry.kind] * sum(self._score(word, count) for word in wanted)) > 0
        ]
        hits.sort(key=lambda hit: (-hit.score, KINDS.index(hit.entry.kind), hit.entry.name))
        return _without_echoes(hits)

    def _score(self, word: str, count: Counter[str]) -> float:
        times = count[word]
        if not times:
            return 0
        among = self.among[word]
        rarity = math.log(1 + (len(self.counts) - among + 0.5) / (among + 0.5))
        length = 1 - _LENGTH + _LENGTH * count.total() / self.mean
        return rarity * times * (_SATURATION + 1) / (times + _SATURATION * length)


def _without_echoes(hits: Sequence[Hit]) -> list[Hit]:
    """A dozen programs say the same of one fault: of signatures that lead to one runbook only the best stays in its
    place, the others go to the end, so that they do not push away the runbook itself."""
    seen, first, echoes = set[str](), list[Hit](), list[Hit]()
    for hit in hits:
        is_echo = hit.entry.kind == "signature" and hit.entry.page in seen
        (echoes if is_echo else first).append(hit)
        if hit.entry.kind == "signature":
            seen.add(hit.entry.page)
    return first + echoes


def _counted(entry: Entry) -> Counter[str]:
    found: Counter[str] = Counter()
    for part, weight in _WEIGHTS.items():
        for word in _words(entry.part(part)):
            found[word] += weight
    return found


def _words(text: str) -> Iterator[str]:
    """A word with hyphens or humps counts whole and in its parts; a plural as its singular; one notion as one word."""
    for word in _WORD.findall(_HUMP.sub("-", text).lower()):
        parts = word.split("-")
        for one in dict.fromkeys((word, *parts)):
            single = one[:-1] if len(one) > 3 and one.endswith("s") and not one.endswith("ss") else one
            yield _SAME.get(single, single)


def _line(entry: Entry, wanted: set[str]) -> str:
    lines = [line for line in entry.body.splitlines() if line and not line.startswith(("#", ">", "-->", "<!--"))]
    return max(lines, key=lambda line: len(wanted & set(_words(line))), default="").strip()
