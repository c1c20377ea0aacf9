"""Codes outlive wordings: spelled one way, written where they are raised, each meaning one thing."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from scripts.write_faults import SOURCE, scan
from tests.house.exceptions import beyond

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def test_codes_are_kebab_case() -> None:
    assert [raised for raised in scan(SOURCE) if raised.code is not None and not KEBAB.fullmatch(raised.code)] == []


def test_a_code_stands_as_a_literal_where_the_fault_is_made() -> None:
    unnamed = (f"src/{raised.module}" for raised in scan(SOURCE) if raised.code is None)
    assert not (left := beyond("code", unnamed)), left


def test_a_code_has_one_class_so_that_it_says_who_must_move() -> None:
    classes: dict[str, set[str]] = defaultdict(set)
    for raised in scan(SOURCE):
        if raised.code is not None:
            classes[raised.code].add(raised.kind)
    assert {code: kinds for code, kinds in classes.items() if len(kinds) > 1} == {}


def test_what_and_fix_are_said_with_every_code() -> None:
    assert [raised for raised in scan(SOURCE) if raised.code is not None and not (raised.what and raised.fix)] == []


def test_the_scan_sees_conditional_codes_collected_findings_and_passed_sentences(tmp_path: Path) -> None:
    package = tmp_path / "trustplane"
    package.mkdir()
    (package / "one.py").write_text(
        "def refuse(what, n):\n"
        "    return Refused(code='a-code' if n else 'b-code', what=what, why='w', fix=f'run {n}')\n"
        "refuse(f'{self.name} is bad', 1)\n"
        "findings.add(code='c-code', what='w', why='w', fix='f', place=None)\n"
        "Unavailable(code=some, what='w', why='w', fix='f')\n"
        "log(code='not-a-fault')\n"
    )
    seen = [(raised.code, raised.kind, raised.what, raised.fix) for raised in scan(package)]
    assert seen == [
        ("a-code", "Refused", "{name} is bad", "run {n}"),
        ("b-code", "Refused", "{name} is bad", "run {n}"),
        ("c-code", "Refused", "w", "f"),
        (None, "Unavailable", "w", "f"),
    ]
