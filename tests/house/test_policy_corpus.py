"""The page of ways round a rule names every class once, and only tests that are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.kit.tree import ROOT, functions, parsed

FOLDER = ROOT / "tests" / "scenarios" / "policy"
CLASSES = 23


def rows() -> Iterator[tuple[int, list[str]]]:
    for line in (ROOT / "docs" / "policy-corpus.md").read_text().splitlines():
        if found := re.match(r"\| (\d+) \|.*\|([^|]*)\|$", line):
            yield int(found[1]), re.findall(r"`([^`]+)`", found[2])


def corpus() -> set[str]:
    """The numbers of the classes in the bypass corpus's own table."""
    tree = parsed(FOLDER / "test_bypass_corpus.py")
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {found[1] for text in texts if (found := re.match(r"(\d\d) \w", text))}


def scenarios() -> set[str]:
    return {name for path in FOLDER.glob("test_*.py") for name, _ in functions(parsed(path)) if "." not in name}


def test_every_class_has_its_row_and_a_test() -> None:
    assert [number for number, _ in rows()] == list(range(1, CLASSES + 1))
    assert [number for number, tests in rows() if not tests] == []


def test_only_tests_that_are_there_are_named() -> None:
    named = {one for _, tests in rows() for one in tests}
    assert sorted(named - corpus() - scenarios()) == []


def test_every_test_of_a_class_is_named() -> None:
    named = {one for _, tests in rows() for one in tests}
    assert sorted({one for one in scenarios() if one.startswith("test_class_")} - named) == []
    assert sorted(corpus() - named) == []
