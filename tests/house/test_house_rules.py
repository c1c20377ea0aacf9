"""The rules of the house that no linter has: sizes, names, words, and tests that can fail.

What exceeds a rule is listed in exceptions.toml with its reason; a listing that is no longer needed fails too.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.house.exceptions import EXCEPTIONS, beyond
from tests.kit.tree import ROOT, files, functions, modules, parsed

CODE = ("src", "tests", "scripts", "benchmarks", "examples")
FUNCTION_LINES = 40
FILE_LINES = 400
# A name for "I did not decide": it grows without limit.
BANNED_NAMES = {
    "manager",
    "managers",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
    "base",
    "data",
    "info",
    "process",
    "handle",
    "handler",
    "misc",
}
UNFINISHED = re.compile(rf"\b({'|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'))})\b")


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_exception_has_a_reason() -> None:
    entries = [entry for rule in EXCEPTIONS.values() for entry in rule]
    assert all(entry.keys() == {"name", "reason"} and len(entry["reason"].split()) > 3 for entry in entries)


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{_named(path)}:{name}"
        for path in modules(*CODE)
        for name, function in functions(parsed(path))
        if (function.end_lineno or function.lineno) - function.lineno + 1 > FUNCTION_LINES
    ]
    assert not (left := beyond("function", long)), left


def test_files_hold_one_thing() -> None:
    long = [_named(path) for path in modules(*CODE) if len(path.read_text().splitlines()) > FILE_LINES]
    assert not (left := beyond("file", long)), left


def test_modules_and_classes_are_named_for_what_they_are() -> None:
    undecided = [
        _named(path)
        for path in modules(*CODE)
        for part in path.relative_to(ROOT).with_suffix("").parts
        if BANNED_NAMES & set(part.split("_"))
    ]
    undecided += [
        f"{_named(path)}:{node.name}"
        for path in modules("src")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and re.search(r"(Manager|Helper|Utils?|Base|Info|Handler|Processor)$", node.name)
    ]
    assert not (left := beyond("name", undecided)), left


def test_nothing_is_left_for_later() -> None:
    text = [path for path in files() if path.suffix in {".py", ".md", ".sh", ".toml", ".yaml", ".proto"}]
    later = [
        f"{_named(path)}:{number}"
        for path in text
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not later, "\n".join(later)


def test_every_module_with_something_in_it_opens_with_its_job() -> None:
    silent = [
        _named(path)
        for path in modules("src")
        if parsed(path).body and ast.get_docstring(parsed(path)) is None and path.name != "__main__.py"
    ]
    assert not silent, "\n".join(silent)


def test_every_folder_with_python_is_type_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    checked = set(settings["tool"]["mypy"]["files"])
    assert {path.relative_to(ROOT).parts[0] for path in files(".py")} <= checked


@pytest.mark.parametrize("rule", ["function", "file"])
def test_an_exception_no_longer_needed_is_noticed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXCEPTIONS, rule, [{"name": "src/trustplane/gone.py", "reason": "it was long once"}])
    assert beyond(rule, ["src/long.py"]) == "not listed: src/long.py\nno longer needed: src/trustplane/gone.py"
