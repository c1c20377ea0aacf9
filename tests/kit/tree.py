"""The files of this repository, as the house rules read them: what git tracks, or would."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GENERATED = ROOT / "src" / "trustplane" / "wire" / "gen"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files(suffix: str = "") -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    found = {ROOT / name for name in listed.split("\0") if name.endswith(suffix)}
    return sorted(path for path in found if path.is_file() and GENERATED not in path.parents)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def modules(*folders: str) -> list[Path]:
    """The Python files below these folders of the tree, without generated ones."""
    return [path for path in files(".py") if path.relative_to(ROOT).parts[0] in folders]


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Every function in a module with its dotted name, inner ones too."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name, child
                yield from functions(child, f"{prefix}{name}.")
            case ast.ClassDef(name=name):
                yield from functions(child, f"{prefix}{name}.")
            case _:
                yield from functions(child, prefix)
