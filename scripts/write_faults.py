"""Writes docs/faults.md: every code a fault can carry, read from the source.

A code is found where a fault or a finding is made, as the literal that stands there; so the page cannot name a code
that nothing raises, nor miss one. What a sentence fills in at run time is shown in braces.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "trustplane"
PAGE = ROOT / "docs" / "faults.md"
CLASSES = {
    "Refused": "The caller must change something. Exit code 1, or 2 where the input itself is wrong.",
    "Unavailable": "Nobody must change anything; it may work later. Exit code 3.",
    "Broken": (
        "We must change something: an invariant of ours does not hold. Exit code 1, with a reference to the log,\n"
        "which has the cause. What nobody foresaw has no code; peers are told `unforeseen` with the reference."
    ),
}
INTRODUCTION = """\
# Faults

<!-- Written by scripts/write_faults.py; `make drift` fails when it is out of date. -->

Every failure says what happened, why, and what to do. Its code outlives the wording: metrics, runbooks and tests key
on it. The class says who must move. What a sentence fills in at run time stands in braces.
"""


@dataclass(frozen=True, slots=True)
class Raised:
    """One place where a fault is made. `code` is None where it is not a literal."""

    code: str | None
    kind: str
    what: str
    fix: str
    module: str
    line: int


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(scan(SOURCE)))


def scan(source: Path) -> list[Raised]:
    """Every place under `source` that makes a fault, in the order of files and lines."""
    modules = sorted(path for path in source.rglob("*.py") if "gen" not in path.parts)
    return [raised for path in modules for raised in _raised_in(path, path.relative_to(source.parent).as_posix())]


def page(raised: list[Raised]) -> str:
    sections = [INTRODUCTION]
    for kind, meaning in CLASSES.items():
        places: dict[str, list[Raised]] = defaultdict(list)
        for each in raised:
            if each.kind == kind and each.code is not None:
                places[each.code].append(each)
        sections.append(f"## {kind}\n\n{meaning}\n")
        sections += [_entry(code, places[code]) for code in sorted(places)]
    return "\n".join(sections)


def _entry(code: str, places: list[Raised]) -> str:
    first = places[0]
    modules = ", ".join(f"`{module}`" for module in sorted({place.module for place in places}))
    return f"### {code}\n\n- what: {first.what}\n- fix: {first.fix}\n- from: {modules}\n"


def _raised_in(path: Path, module: str) -> Iterator[Raised]:
    tree = ast.parse(path.read_text())
    for call, scope in _calls(tree, None):
        said = {keyword.arg: keyword.value for keyword in call.keywords}
        if not {"code", "what", "fix"} <= said.keys() or _handed_on(said["code"]):
            continue
        what, fix = (_sentence(said[part], scope, tree) for part in ("what", "fix"))
        codes: list[str | None] = [*_literals(said["code"])]
        for code in codes or [None]:
            yield Raised(code, _kind(call, said), what, fix, module, call.lineno)


_Scope = ast.FunctionDef | ast.AsyncFunctionDef | None


def _calls(node: ast.AST, scope: _Scope) -> Iterator[tuple[ast.Call, _Scope]]:
    """Every call below `node`, with the function it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, scope
        inner = child if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else scope
        yield from _calls(child, inner)


def _kind(call: ast.Call, said: dict[str | None, ast.expr]) -> str:
    """A finding is refused with its fellows; what carries a `retry_after` is for waiting."""
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in CLASSES:
        return name
    return "Unavailable" if "retry_after" in said else "Refused"


def _handed_on(code: ast.expr) -> bool:
    """Whether this is a fault's own code, carried into another form of the same fault."""
    return isinstance(code, ast.Attribute) and code.attr == "code"


def _literals(value: ast.expr) -> list[str]:
    match value:
        case ast.Constant(value=str(code)):
            return [code]
        case ast.IfExp(body=body, orelse=orelse) if _literals(body) and _literals(orelse):
            return _literals(body) + _literals(orelse)
        case _:
            return []


def _sentence(value: ast.expr, scope: _Scope, tree: ast.Module) -> str:
    """The sentence as a template; one that is a parameter is read from the first call that passes it."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_sentence(part, scope, tree) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _sentence(left, scope, tree) + _sentence(right, scope, tree)
        case ast.IfExp(body=body):
            return _sentence(body, scope, tree)
        case ast.Name(id=name) if scope is not None and (passed := _passed(name, scope, tree)) is not None:
            return _sentence(passed, None, tree)
        case ast.FormattedValue(value=inner) | inner:
            return "{" + _named(inner) + "}"


def _named(value: ast.expr) -> str:
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").replace("_", " ").lower()
        case ast.Call(args=[ast.Name() | ast.Attribute() as only]):
            return _named(only)
        case _:
            return "..."


def _passed(name: str, scope: ast.FunctionDef | ast.AsyncFunctionDef, tree: ast.Module) -> ast.expr | None:
    positional = [argument.arg for argument in scope.args.posonlyargs + scope.args.args]
    for call, _ in _calls(tree, None):
        if ast.unparse(call.func).rpartition(".")[2] != scope.name:
            continue
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        if name in named:
            return named[name]
        index = positional.index(name) if name in positional else len(call.args)
        index -= positional[:1] in (["self"], ["cls"]) and isinstance(call.func, ast.Attribute)
        if 0 <= index < len(call.args):
            return call.args[index]
    return None


if __name__ == "__main__":
    main()
