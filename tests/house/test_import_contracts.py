"""Each import contract, broken on purpose in a copy of the tree, fails: a contract that cannot fail guards nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.tree import ROOT

# contract, module that gets a bad import, what it imports
BREAKS = [
    ("Imports point down", "spiffe/planted_upward.py", "trustplane.registry"),
    ("Imports point down", "store/planted_sibling.py", "trustplane.wire"),
    ("Deciding code does no IO", "issuance/planted_io.py", "asyncio"),
    ("A node agent cannot issue", "main/agent.py", "trustplane.main.planted_detour"),
    ("A node agent cannot issue", "main/planted_detour.py", "trustplane.keys.authority"),
    ("Only a composition root touches keys", "cli/planted_keys.py", "trustplane.keys"),
]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
VERDICT = re.compile(r"^(.+?) (KEPT|BROKEN)(?: |$)", re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def _lint_imports(root: Path) -> str:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return COLOUR.sub("", done.stdout + done.stderr)


def test_each_contract_fails_when_it_is_broken(copy: Path) -> None:
    for _, module, imported in BREAKS:
        with (copy / "src" / "trustplane" / module).open("a") as source:
            source.write(f"\nimport {imported}\n")
    report = _lint_imports(copy)
    assert dict(VERDICT.findall(report)) == {contract: "BROKEN" for contract, _, _ in BREAKS}, report
    unseen = [module for _, module, _ in BREAKS if f"trustplane.{module[:-3].replace('/', '.')}" not in report]
    assert unseen == [], report


def test_a_package_that_is_not_placed_in_the_layers_fails(copy: Path) -> None:
    (copy / "src" / "trustplane" / "somewhere").mkdir()
    (copy / "src" / "trustplane" / "somewhere" / "__init__.py").touch()
    assert "somewhere" in _lint_imports(copy)
