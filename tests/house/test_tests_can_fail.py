"""Every test can fail: it asserts, expects a raise, or calls something in its module or tests/kit that does.

Nor is one left out because the machine lacks a tool.
"""

from __future__ import annotations

import ast
from functools import cache

from tests.kit.tree import ROOT, Function, functions, modules, parsed

# Names that check something when called, whoever defines them.
CHECKS = frozenset({"raises", "fail", "warns", "check_call", "raise_for_status"})


@cache  # the kit's functions are asked about once for each module of tests
def _calls(function: ast.AST) -> frozenset[str]:
    called = (ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))
    return frozenset(name.rpartition(".")[2] for name in called)


@cache
def _checks_itself(function: ast.AST) -> bool:
    return any(isinstance(node, (ast.Assert, ast.Raise)) for node in ast.walk(function)) or bool(
        _calls(function) & CHECKS,
    )


def _checking(known: dict[str, Function]) -> set[str]:
    """The names among `known` that check something, directly or through another of them."""
    checking = {name for name, function in known.items() if _checks_itself(function)}
    while more := {name for name, function in known.items() if name not in checking and _calls(function) & checking}:
        checking |= more
    return checking


@cache
def _kit() -> dict[str, Function]:
    found: dict[str, Function] = {}
    for path in modules("tests"):
        if "kit" in path.relative_to(ROOT).parts or path.name == "conftest.py":
            found |= {name.rpartition(".")[2]: function for name, function in functions(parsed(path))}
    return found


def _cannot_fail(tree: ast.Module) -> list[str]:
    named = dict(functions(tree))
    own = {name.rpartition(".")[2]: function for name, function in named.items()}
    checking = _checking(_kit() | own)
    return [
        name
        for name, function in named.items()
        if name.rpartition(".")[2].startswith("test_")
        and not _checks_itself(function)
        and not _calls(function) & checking
    ]


def test_every_test_can_fail() -> None:
    idle = [
        f"{path.relative_to(ROOT).as_posix()}:{name}"
        for path in modules("tests")
        if path.name.startswith("test_")
        for name in _cannot_fail(parsed(path))
    ]
    assert not idle, "\n".join(idle)


def test_no_test_is_skipped_for_want_of_a_tool() -> None:
    skipped = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
        for path in modules("tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("skipif", ".skip", "importorskip"))
        if "which(" in ast.unparse(node) or "importorskip" in ast.unparse(node.func)
    ]
    assert not skipped, "use tests.kit.debian.tool (decisions/0071):\n" + "\n".join(skipped)


def test_a_test_that_only_runs_is_noticed() -> None:
    idle = "def look(x):\n    print(x)\n\ndef test_it_runs():\n    look(1)\n"
    assert _cannot_fail(ast.parse(idle)) == ["test_it_runs"]


def test_a_test_that_checks_through_another_function_is_not() -> None:
    checked = "def deep(x):\n    assert x\n\ndef look(x):\n    deep(x)\n\ndef test_it():\n    look(1)\n"
    assert _cannot_fail(ast.parse(checked)) == []
