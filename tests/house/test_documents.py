"""What documents name is there: modules, fault codes in the journeys' tables, make targets, decision numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.write_faults import SOURCE, scan
from tests.kit.tree import ROOT, files
from trustplane.registry.layout import POLICY_FILES

PACKAGES = sorted(path.name for path in SOURCE.iterdir() if path.is_dir())
MODULE = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.[a-z_0-9]+)+)`")
CODE_LIKE = re.compile(r"`([a-z]+(?:-[a-z0-9]+)+)`")
TARGET = re.compile(r"`make ([a-z]+)`")
DOCUMENTS = [path for path in files(".md") if "docs" in path.parts or path.parent == ROOT]


@pytest.mark.parametrize("page", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS])
def test_modules_named_in_documents_exist(page: Path) -> None:
    named = set(MODULE.findall(page.read_text())) - set(POLICY_FILES)  # files named like modules of `policy`
    assert [name for name in sorted(named) if not _exists(SOURCE.joinpath(*name.split(".")))] == []


def test_fault_codes_named_in_journeys_exist() -> None:
    codes = {raised.code for raised in scan(SOURCE)}
    journeys = [path for path in DOCUMENTS if "journeys" in path.parts]
    named = {code for path in journeys for code in CODE_LIKE.findall(path.read_text())}
    assert sorted(named - codes) == []


def test_make_targets_named_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for path in DOCUMENTS for target in TARGET.findall(path.read_text())}
    assert sorted(named - targets) == []


def test_decisions_have_distinct_numbers_and_fit_on_a_page() -> None:
    decisions = [path for path in files(".md") if path.parent == ROOT / "docs" / "decisions" and path.name[0].isdigit()]
    numbers = [path.name[:4] for path in decisions]
    assert sorted(number for number in numbers if numbers.count(number) > 1) == []
    assert [path.name for path in decisions if len(path.read_text().splitlines()) > 40] == []


def test_decisions_that_code_cites_exist() -> None:
    numbers = {path.name[:4] for path in (ROOT / "docs" / "decisions").iterdir()}
    cited = {
        (path.name, number)
        for path in files()
        if path.suffix in {".py", ".md", ".toml", ".proto", ".sh"}
        for number in re.findall(r"decisions/(\d{4})", path.read_text())
    }
    assert sorted((name, number) for name, number in cited if number not in numbers) == []


def _exists(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()
