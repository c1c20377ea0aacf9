"""Walking every path that questions can tell apart."""

from __future__ import annotations

import re
from itertools import product

import pytest

from trustplane.fault import Refused
from trustplane.policy import language
from trustplane.policy.language import Question, Walk
from trustplane.policy.target import normalised
from trustplane.policy.tree import AMBIGUOUS, Path, Unambiguous


def answers(*questions: Question) -> dict[frozenset[int], str]:
    walk = Walk(questions)
    found: dict[frozenset[int], str] = {}
    for node, yes in walk:
        found.setdefault(yes, walk.path(node))
    return found


def expected(question: Question, path: str) -> bool:
    match question:
        case Path():
            return question.matches(path)
        case Unambiguous():
            return re.fullmatch(AMBIGUOUS, path, re.DOTALL) is None


def test_the_shortest_path_of_each_combination_of_answers_is_found() -> None:
    assert answers(Path(("/a/", "")), Path(("/", "b"))) == {
        frozenset(): "/",
        frozenset({0}): "/a/",
        frozenset({1}): "/b",
        frozenset({0, 1}): "/a/b",
    }


SMALL = "/ab.;%2e"
QUESTIONS: tuple[Question, ...] = (
    Path(("/a",)),
    Path(("/a/", "")),
    Path(("", "/b")),
    Path(("", "ab", "")),
    Path(("/a", "b", "a")),
    Path(("/", "/", "")),
    Unambiguous(),
)


def test_every_short_path_gets_the_answers_that_were_found() -> None:
    """No combination is missed that a normalised path of up to five characters shows, and none is invented."""
    found = answers(*QUESTIONS)
    for combination, path in found.items():
        assert {at for at, one in enumerate(QUESTIONS) if expected(one, path)} == combination, path
        assert normalised(path) == path
    for letters in product(SMALL, repeat=5):
        for length in range(1, 6):
            path = "/" + "".join(letters[:length])
            if "//" not in path and not {".", ".."} & set(path.split("/")):
                assert frozenset(at for at, one in enumerate(QUESTIONS) if expected(one, path)) in found, path


def test_a_path_of_two_readings_is_told_from_one_of_one() -> None:
    found = answers(Unambiguous())
    assert found[frozenset({0})] == "/"
    assert not expected(Unambiguous(), found[frozenset()])


def test_what_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "MAX_STATES", 20)
    with pytest.raises(Refused, match="policy-too-complex"):
        answers(Path(("/abcabc", "abcd", "")), Path(("/bcdbcd", "dcba", "")), Path(("/cdacda", "acbd", "")))
