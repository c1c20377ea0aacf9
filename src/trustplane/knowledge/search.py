"""Which runbook answers a question: ranked by BM25, with title, causes and signatures counting more than the body."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trustplane.knowledge.runbook import Runbook

MAX_QUERY: Final = 200
_WORD: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WEIGHTS: Final = {"title": 4, "causes": 6, "signatures": 3, "alerts": 3, "body": 1}
# BM25's usual constants: how fast more of a word counts less, and how much a long text is held against it.
_SATURATION, _LENGTH = 1.2, 0.75
_EMPTY: Final = frozenset("the a an is it of to and or in was has my why with".split())  # noqa: SIM905 - one line


@dataclass(frozen=True, slots=True)
class Hit:
    runbook: Runbook
    score: float
    line: str  # the line of the body that says most of what was asked


def search(query: str, runbooks: Sequence[Runbook]) -> list[Hit]:
    """The best first; those without any of the words are left out."""
    wanted = [word for word in _words(query[:MAX_QUERY]) if word not in _EMPTY]
    counts = [_counted(one) for one in runbooks]
    mean = sum(sum(one.values()) for one in counts) / len(counts) if counts else 1
    hits = [
        Hit(runbook, round(score, 3), _line(runbook, wanted))
        for runbook, count in zip(runbooks, counts, strict=True)
        if (score := sum(_score(word, count, counts, mean) for word in set(wanted))) > 0
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.runbook.slug))


def _score(word: str, count: Counter[str], counts: Sequence[Counter[str]], mean: float) -> float:
    among = sum(word in one for one in counts)
    rarity = math.log(1 + (len(counts) - among + 0.5) / (among + 0.5))
    times = count[word]
    length = 1 - _LENGTH + _LENGTH * sum(count.values()) / mean
    return rarity * times * (_SATURATION + 1) / (times + _SATURATION * length)


def _counted(runbook: Runbook) -> Counter[str]:
    parts = {
        "title": runbook.title,
        "causes": " ".join((runbook.slug, *runbook.causes)),
        "signatures": " ".join(runbook.signatures),
        "alerts": " ".join(runbook.alerts),
        "body": runbook.body,
    }
    found: Counter[str] = Counter()
    for part, text in parts.items():
        for word in _words(text):
            found[word] += _WEIGHTS[part]
    return found


def _words(text: str) -> Iterator[str]:
    """A word with hyphens counts whole and in its parts; a plural as its singular."""
    for word in _WORD.findall(text.lower()):
        parts = word.split("-")
        for one in {word, *parts}:
            yield one[:-1] if len(one) > 3 and one.endswith("s") and not one.endswith("ss") else one


def _line(runbook: Runbook, wanted: Sequence[str]) -> str:
    lines = [line for line in runbook.body.splitlines() if line and not line.startswith(("#", ">"))]
    return max(lines, key=lambda line: len(set(wanted) & set(_words(line))), default="").strip()
